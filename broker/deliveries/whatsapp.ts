/** Messages to people over the WhatsApp Cloud API. */

import { createHash } from "node:crypto";
import { addressOf } from "./http_call.ts";
import { cut, oneLine } from "./plain_text.ts";
import { Service } from "./service.ts";

export interface WhatsAppOptions {
  /** Of the phone number, e.g. `https://graph.facebook.com/v20.0/1234567890`; may have a query. */
  readonly url: string;
  readonly token: string;
  readonly timeoutMs?: number;
  /** How long it is left alone while it is away. */
  readonly restMs?: number;
  /** Called once when WhatsApp is found to be away, and once when it is back. */
  readonly onAway?: (away: boolean) => void;
}

export type WhatsAppMessage =
  /** More than 4,096 characters are cut, and end in `…`. */
  | { readonly type: "text"; readonly text: string }
  | {
    readonly type: "template";
    readonly name: string;
    /** e.g. `es_CO`. */
    readonly language: string;
    /** Of the template's body, in order; each goes out in one line of at most 1,024 characters. */
    readonly values: readonly string[];
  };

const TIMEOUT_MS = 10_000;
/** What the Cloud API takes; it refuses a message with more, and values with line breaks. */
const MAX_TEXT_CHARS = 4_096;
const MAX_VALUE_CHARS = 1_024;

export class WhatsApp {
  readonly #service: Service;
  readonly #url: string;

  constructor(private readonly options: WhatsAppOptions) {
    const { url, timeoutMs = TIMEOUT_MS, restMs, onAway } = options;
    const isWhole = new URL(url).pathname.endsWith("/messages");
    this.#url = isWhole ? url : addressOf(url, "/messages");
    this.#service = new Service({ name: "WhatsApp", timeoutMs, restMs, onAway });
  }

  /** @throws {DeliveryError} whose message names neither the number nor the token. */
  async send(to: string, message: WhatsAppMessage, signal: AbortSignal): Promise<void> {
    const body = { messaging_product: "whatsapp", to: to.replace(/^\+/, ""), ...bodyOf(message) };
    await this.#service.call({
      method: "POST",
      url: this.#url,
      headers: { authorization: `Bearer ${this.options.token}` },
      body,
      key: createHash("sha256").update(JSON.stringify(body)).digest("base64url"),
      answer: "none",
    }, signal);
  }
}

function bodyOf(message: WhatsAppMessage): Record<string, unknown> {
  if (message.type === "text") {
    return { type: "text", text: { body: cut(message.text.toWellFormed(), MAX_TEXT_CHARS) } };
  }
  const { name, language, values } = message;
  const parameters = values.map((value) => ({
    type: "text",
    text: cut(oneLine(value), MAX_VALUE_CHARS),
  }));
  return {
    type: "template",
    template: {
      name,
      language: { code: language },
      ...(values.length > 0 ? { components: [{ type: "body", parameters }] } : {}),
    },
  };
}
