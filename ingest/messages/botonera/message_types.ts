/** The messages of panic buttons (botonera), by their `tipo_mensaje`. */

import { z } from "zod";
import type { MessageHandler } from "../../../broker/deliveries/alarm_handler.ts";

/** A message type: its schema and how it is handled. */
export interface MessageType {
  readonly schema: z.ZodType;
  /** Whether people are notified, and not only the backend. */
  readonly notifies: boolean;
  /** Handles the message instead of the backend and the notifications. */
  readonly handle?: MessageHandler | undefined;
}

const text = z.string().trim().min(1).max(4_096);
/** A time as devices write it: ISO 8601 without an offset, or a number. */
const time = z.union([text, z.number()]);

/**
 * Every message may name its company or leave that field empty, as devices without a company do.
 * Additional fields are left unchanged.
 */
function form(fields: z.ZodRawShape): z.ZodType {
  const empresa = z.string().max(4_096).nullish();
  return z.looseObject({ tipo_mensaje: z.string(), empresa, ...fields });
}

const types = new Map<string, MessageType>([
  ["semaforos", { schema: form({ tipo_alarma: text, empresa: text }), notifies: true }],
  ["alarmas", { schema: form({ tipo_alarma: text, descripcion: text }), notifies: true }],
  ["estado", { schema: form({ status: text, timestamp: time }), notifies: false }],
  ["configuracion", { schema: form({ parametros: z.looseObject({}) }), notifies: false }],
  ["heartbeat", { schema: form({ timestamp: time }), notifies: false }],
]);

/** The custom handler of a type; undefined if it is handled the default way. */
export function handlerOf(name: string): MessageHandler | undefined {
  return types.get(name)?.handle;
}

/**
 * Adds or replaces a type in this thread. Sources check messages in workers: pass a module that
 * calls this function to `Telecast.start()`, and every worker imports it.
 * @example registerMessageType("bateria", { schema: z.looseObject({ nivel: z.number() }), notifies: false })
 */
export function registerMessageType(name: string, type: MessageType): void {
  types.set(name, type);
}

/** A message of a known type. */
export interface BotoneraMessage {
  readonly type: string;
  readonly company: string | undefined;
  readonly notifies: boolean;
}

export type BotoneraCheck =
  /** It has no `tipo_mensaje`, so it is another kind of message. */
  | { readonly kind: "other" }
  | { readonly kind: "message"; readonly message: BotoneraMessage }
  | { readonly kind: "unknown_type" }
  /** `fields` are those that are missing or wrong. */
  | { readonly kind: "bad_fields"; readonly fields: readonly string[] };

/** Checks a parsed message against its type. */
export function checkBotonera(value: object): BotoneraCheck {
  const { tipo_mensaje: name, empresa } = value as Record<string, unknown>;
  if (name === undefined || name === null) return { kind: "other" };
  const type = typeof name === "string" ? types.get(name) : undefined;
  if (!type) return { kind: "unknown_type" };
  const parsed = type.schema.safeParse(value);
  if (!parsed.success) {
    const fields = parsed.error.issues.map(({ path }) => path.join("."));
    return { kind: "bad_fields", fields: [...new Set(fields)] };
  }
  // Trimmed, like the device id that is made from it.
  const company = typeof empresa === "string" ? empresa.trim() || undefined : undefined;
  return { kind: "message", message: { type: name as string, company, notifies: type.notifies } };
}
