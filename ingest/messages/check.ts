/**
 * Checks one message's bytes: the only place where Telecast inspects a payload.
 *
 * The messages room: what a payload says. It imports broker/messages and broker/deliveries.
 */

import { Buffer } from "node:buffer";
import { fingerprint, fingerprintOf } from "../../broker/messages/fingerprint.ts";
import type { Message } from "../../broker/messages/message.ts";
import { type BotoneraCheck, checkBotonera } from "./botonera/message_types.ts";
import { deviceIdOf, type DeviceIdOptions, isTooLong, textAt } from "./device_id.ts";
import type { Origin } from "./origin.ts";

export interface CheckOptions extends DeviceIdOptions {
  /** Larger messages are skipped. */
  readonly maxMessageBytes: number;
}

/** Why a message is skipped; stable, for logs and counters. */
export type Refusal =
  | "too_large"
  | "not_utf8"
  | "not_json"
  | "not_an_object"
  | "no_device_id"
  | "device_id_too_long";

export type Checked =
  | {
    readonly message: Message;
    readonly value: object;
    /** Whether it is a panic button message, and so causes a job. */
    readonly botonera: BotoneraCheck;
    readonly refusal?: undefined;
  }
  | { readonly message?: undefined; readonly refusal: Refusal };

const UUID = ["uuid"] as const;
const refused = (refusal: Refusal): Checked => ({ refusal });

/** Checks messages one after another; never throws, whatever the bytes are. */
export class MessageCheck {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });

  constructor(private readonly options: CheckOptions) {}

  check(bytes: Uint8Array, origin: Origin): Checked {
    if (bytes.byteLength > this.options.maxMessageBytes) return refused("too_large");
    let text: string;
    try {
      text = this.#decode(bytes);
    } catch {
      return refused("not_utf8");
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return refused("not_json");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return refused("not_an_object");
    }
    const deviceId = deviceIdOf(value, text, origin, this.options);
    if (deviceId === undefined) return refused("no_device_id");
    if (isTooLong(deviceId)) return refused("device_id_too_long");
    const known = checkBotonera(value);
    const payload = withoutLineBreaks(text);
    const uuid = textAt(value, UUID, text);
    const repeatKey = uuid === undefined
      ? undefined
      : payload === text && bytes[0] !== BYTE_ORDER_MARK_BYTE
      ? fingerprint(bytes)
      : fingerprintOf(payload);
    const message = { deviceId, payload, uuid, fingerprint: repeatKey };
    return { message, value, botonera: known };
  }

  /**
   * Removes a byte order mark, which JSON.parse() refuses. A Buffer decodes in a third of the time
   * that a TextDecoder takes, which is used only for bytes that may not be UTF-8.
   * @throws {TypeError} if the bytes are not UTF-8.
   */
  #decode(bytes: Uint8Array): string {
    const buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const text = buffer.toString("utf8");
    if (text.includes(REPLACEMENT)) return this.#decoder.decode(bytes);
    return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
  }
}

/** Replaces bytes that are not UTF-8; a valid text may contain it too. */
const REPLACEMENT = "\ufffd";
const BYTE_ORDER_MARK = 0xfeff;
/** Its first byte in UTF-8, which cannot begin JSON. */
const BYTE_ORDER_MARK_BYTE = 0xef;

/** Valid JSON has raw line breaks only between tokens, so removing them changes nothing. */
function withoutLineBreaks(json: string): string {
  return json.includes("\n") || json.includes("\r") ? json.replace(/[\r\n]+/g, "") : json;
}
