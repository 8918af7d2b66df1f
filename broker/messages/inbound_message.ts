/** A message from a person, as a peer sends it: WhatsApp's webhook, or a single message. */

/** What the queue needs to know about it. */
export interface InboundMessage {
  /** Identifies repeats; undefined if the message has no id and so is never a repeat. */
  readonly id: string | undefined;
  /** Messages of one sender are processed one after another. */
  readonly sender: string;
  /** JSON text that the backend gets. */
  readonly body: string;
}

export type InboundCheck =
  /** Empty if a webhook reports something else, e.g. that a message was read. */
  | { readonly kind: "messages"; readonly messages: readonly InboundMessage[] }
  /** `field` is missing or wrong. */
  | { readonly kind: "bad"; readonly field: string; readonly id: string | undefined };

type Fields = Readonly<Record<string, unknown>>;

const SENDERS = ["from", "sender", "wa_id", "phone", "telefono", "numero", "remitente"];
const WRAPPERS = ["data", "payload", "message"];
const IDS = ["id", "message_id", "messageId", "wamid", "uuid"];
const MAX_CHARS = 256;
/**
 * Limit for the body of a job; a split webhook repeats the shared parts for each of its messages.
 */
const MAX_BODY_BYTES = 60_000;
const MAX_OF_WEBHOOK = 100;
/**
 * Limit for all messages of a webhook, each with the shared parts: a frame must not grow a
 * hundredfold.
 */
const MAX_WEBHOOK_CHARS = 600_000;

/** Whether it claims to be from a person, well-formed or not. */
export function looksInbound(value: unknown): boolean {
  return isFields(value) && (isWebhook(value) || hasSender(value));
}

function hasSender(value: Fields): boolean {
  return SENDERS.some((name) => Object.hasOwn(value, name));
}

/** The message within an envelope such as `{"event":"message","data":{…}}`. */
function unwrap(value: Fields): Fields | undefined {
  return WRAPPERS.map((name) => value[name]).find((inner): inner is Fields => looksInbound(inner));
}

/** Reads a parsed message; `text` is the JSON that it came from. */
export function checkInbound(value: unknown, text: string): InboundCheck {
  if (!isFields(value)) return { kind: "bad", field: "the message", id: undefined };
  if (isWebhook(value)) return checkWebhook(value);
  const wrapped = hasSender(value) ? undefined : unwrap(value);
  if (wrapped) return checkInbound(wrapped, JSON.stringify(wrapped));
  const message = readMessage(value, text);
  return "field" in message
    ? { kind: "bad", ...message }
    : { kind: "messages", messages: [message] };
}

function isWebhook(value: Fields): boolean {
  return Array.isArray(value.entry) &&
    (value.object === undefined || typeof value.object === "string");
}

/** A webhook may carry several messages; the backend gets each of them in its own webhook. */
function checkWebhook(value: Fields): InboundCheck {
  const messages: InboundMessage[] = [];
  let chars = 0;
  for (const entry of arrayOf(value.entry)) {
    for (const change of arrayOf(entry.changes)) {
      const inner = isFields(change.value) ? change.value : {};
      for (const one of arrayOf(inner.messages)) {
        const alone = {
          ...value,
          entry: [{ ...entry, changes: [{ ...change, value: { ...inner, messages: [one] } }] }],
        };
        const message = readMessage(one, JSON.stringify(alone));
        if ("field" in message) {
          const field = `entry.changes.value.messages.${message.field}`;
          return { kind: "bad", field, id: message.id };
        }
        messages.push(message);
        chars += message.body.length;
        if (messages.length > MAX_OF_WEBHOOK) {
          return { kind: "bad", field: "entry: more than 100 messages", id: undefined };
        }
        if (chars > MAX_WEBHOOK_CHARS) {
          return { kind: "bad", field: "entry: too much data besides its messages", id: undefined };
        }
      }
    }
  }
  return { kind: "messages", messages };
}

function readMessage(
  value: Fields,
  body: string,
): InboundMessage | { readonly field: string; readonly id: string | undefined } {
  const id = textOf(value, IDS);
  if (id === null) return { field: "id", id: undefined };
  const sender = textOf(value, SENDERS);
  if (sender === undefined || sender === null) return { field: "from", id };
  if (body.length * 3 > MAX_BODY_BYTES && new TextEncoder().encode(body).length > MAX_BODY_BYTES) {
    return { field: "the message: more than 60,000 bytes", id };
  }
  return { id, sender: sender.replace(/^\+/, ""), body };
}

/** The first field that is present; null if it is not a text of 1 to 256 characters. */
function textOf(value: Fields, names: readonly string[]): string | undefined | null {
  const name = names.find((name) => value[name] !== undefined && value[name] !== null);
  if (name === undefined) return undefined;
  const found = value[name];
  if (typeof found === "number") return String(found);
  if (typeof found !== "string") return null;
  const text = found.trim();
  return text === "" || text.length > MAX_CHARS ? null : text;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function arrayOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}
