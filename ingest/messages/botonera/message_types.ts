/** The messages of panic buttons (botonera), by their `tipo_mensaje`. */

import { z } from "zod";
import type { MessageHandler } from "../../../broker/deliveries/alarm_handler.ts";

/** One type of message: its form, and what has to be done with it. */
export interface MessageType {
  readonly schema: z.ZodType;
  /** People are told too, not the backend alone. */
  readonly notifies: boolean;
  /** Does what has to be done, in the place of the backend and of people. */
  readonly handle?: MessageHandler | undefined;
}

const text = z.string().trim().min(1).max(4_096);
/** A time as devices write it: ISO 8601 without an offset, or a number. */
const time = z.union([text, z.number()]);

/**
 * Every message may name its company, or have that field empty as devices that know none do; other
 * fields than these are left as they are.
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

/** How messages of a type are handled; undefined where the usual is done. */
export function handlerOf(name: string): MessageHandler | undefined {
  return types.get(name)?.handle;
}

/**
 * Adds a type, or replaces one, in this thread. Sources check in workers of their own: hand a module
 * that calls this to `Telecast.start()`, which every worker then imports.
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
  /** It has no `tipo_mensaje`: it is of another kind. */
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
  // Trimmed, as the device id is that it makes.
  const company = typeof empresa === "string" ? empresa.trim() || undefined : undefined;
  return { kind: "message", message: { type: name as string, company, notifies: type.notifies } };
}
