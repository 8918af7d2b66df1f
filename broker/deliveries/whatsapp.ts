/** Sends messages to people over the WhatsApp Cloud API. */

import { createHash } from "node:crypto";
import { addressOf } from "./http_call.ts";
import { cut, oneLine } from "./plain_text.ts";
import { Service } from "./service.ts";

export interface WhatsAppOptions {
  /** URL of the phone number, e.g. `https://graph.facebook.com/v20.0/12345`; may have a query. */
  readonly url: string;
  readonly token: string;
  readonly timeoutMs?: number;
  /** Pause between two probes while it is unavailable. */
  readonly restMs?: number;
  /** Called once when WhatsApp becomes unavailable, and once when it recovers. */
  readonly onAway?: (away: boolean) => void;
}

export type WhatsAppMessage =
  /** A text of more than 4,096 characters is cut, and ends in `…`. */
  | { readonly type: "text"; readonly text: string }
  | {
    readonly type: "template";
    readonly name: string;
    /** e.g. `es_CO`. */
    readonly language: string;
    /** For the template's body, in order; each is sent as one line of at most 1,024 characters. */
    readonly values: readonly string[];
  };

const TIMEOUT_MS = 10_000;
/** Limits of the Cloud API; it also refuses values with line breaks. */
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

  /** @throws {DeliveryError} whose message contains neither the number nor the token. */
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
