/** Payloads of known devices, numbered so that loss and reordering can be detected. */

export interface TrackingOptions {
  /** Extra fields of `data`, after DEVICE_ID and SEQ. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** Null: no uuid, so no message counts as a repeat of another. */
  readonly uuid?: string | null;
  /** The payload is padded to this length. */
  readonly chars?: number;
}

/** A tracking message as JSON; `seq` numbers a device's messages from 1. */
export function trackingPayload(
  deviceId: string,
  seq: number,
  { data, uuid = crypto.randomUUID(), chars = 300 }: TrackingOptions = {},
): string {
  const message = {
    data: {
      DEVICE_ID: deviceId,
      SEQ: seq,
      LATITUD: "+20.652472",
      LONGITUD: "-100.391404",
      SPEED: 42,
      ...data,
    },
    decoded: {},
    metadata: {},
    raw: "",
    uuid,
  };
  const length = JSON.stringify(message).length;
  return JSON.stringify({ ...message, raw: "A".repeat(Math.max(0, chars - length)) });
}

const DEVICE_AND_SEQ = /"DEVICE_ID":"((?:[^"\\]|\\.)*)","SEQ":(\d+)/;

/** Device and number of a payload that {@linkcode trackingPayload} made. */
export function deviceAndSeq(payload: string): { deviceId: string; seq: number } {
  const match = DEVICE_AND_SEQ.exec(payload);
  if (!match) throw new Error(`Not a numbered payload: ${payload.slice(0, 200)}`);
  return { deviceId: JSON.parse(`"${match[1]}"`), seq: Number(match[2]) };
}
