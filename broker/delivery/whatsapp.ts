/** Messages to people over the WhatsApp Cloud API. */

import { Service } from "./service.ts";

export interface WhatsAppOptions {
  /** Of the phone number, e.g. `https://graph.facebook.com/v20.0/1234567890`. */
  readonly url: string;
  readonly token: string;
  readonly timeoutMs?: number;
  /** Called once when WhatsApp is found to be away, and once when it is back. */
  readonly onAway?: (away: boolean) => void;
}

export type WhatsAppMessage =
  | { readonly type: "text"; readonly text: string }
  | {
    readonly type: "template";
    readonly name: string;
    /** e.g. `es_CO`. */
    readonly language: string;
    /** Values of the template's body, in order. */
    readonly values: readonly string[];
  };

const TIMEOUT_MS = 10_000;

export class WhatsApp {
  readonly #service: Service;

  constructor(private readonly options: WhatsAppOptions) {
    const { timeoutMs = TIMEOUT_MS, onAway } = options;
    this.#service = new Service({ name: "WhatsApp", timeoutMs, onAway });
  }

  /** @throws {DeliveryError} whose message names neither the number nor the token. */
  async send(to: string, message: WhatsAppMessage, signal: AbortSignal): Promise<void> {
    const { url, token } = this.options;
    await this.#service.call({
      method: "POST",
      url: url.endsWith("/messages") ? url : `${url.replace(/\/$/, "")}/messages`,
      headers: { authorization: `Bearer ${token}` },
      body: { messaging_product: "whatsapp", to: to.replace(/^\+/, ""), ...bodyOf(message) },
    }, signal);
  }
}

function bodyOf(message: WhatsAppMessage): Record<string, unknown> {
  if (message.type === "text") return { type: "text", text: { body: message.text } };
  const { name, language, values } = message;
  const parameters = values.map((text) => ({ type: "text", text }));
  return {
    type: "template",
    template: {
      name,
      language: { code: language },
      ...(values.length > 0 ? { components: [{ type: "body", parameters }] } : {}),
    },
  };
}
