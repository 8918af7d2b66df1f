/** The check of one message's bytes: the only look that Telecast takes into a payload. */

import type { Message } from "../broker/message.ts";
import { type BotoneraCheck, checkBotonera } from "./botonera/message_types.ts";
import { deviceIdOf, type DeviceIdOptions, isTooLong, textAt } from "./device_id.ts";
import type { Origin } from "./source.ts";

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
    /** Whether it is one of a panic button, and work has to be done because of it. */
    readonly botonera: BotoneraCheck;
    readonly refusal?: undefined;
  }
  | { readonly message?: undefined; readonly refusal: Refusal };

const UUID = ["uuid"] as const;
const refused = (refusal: Refusal): Checked => ({ refusal });

/** Checks messages one after another; never throws, whatever the bytes are. */
export class MessageCheck {
  /** Takes a byte order mark away, which JSON.parse refuses. */
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });

  constructor(private readonly options: CheckOptions) {}

  check(bytes: Uint8Array, origin: Origin): Checked {
    if (bytes.byteLength > this.options.maxMessageBytes) return refused("too_large");
    let text: string;
    try {
      text = this.#decoder.decode(bytes);
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
    const message = { deviceId, payload, uuid: textAt(value, UUID, text) };
    return { message, value, botonera: known };
  }
}

/** Valid JSON can hold a raw line break between its tokens only: taking them out changes nothing. */
function withoutLineBreaks(json: string): string {
  return json.includes("\n") || json.includes("\r") ? json.replace(/[\r\n]+/g, "") : json;
}
