/** Handles messages: those of panic buttons go to the backend and then to people. */

import { alarmText } from "./alarm_text.ts";
import type { Backend } from "./backend.ts";
import { type Delivery, DeliveryError, type DeliveryHandler, type NextStep } from "./delivery.ts";
import type { WhatsApp } from "./whatsapp.ts";

/** A message that waits for the backend. */
export interface ProcessStep {
  readonly message: Readonly<Record<string, unknown>>;
  readonly company?: string | undefined;
  readonly notifies: boolean;
}

/** A message from a person that waits for the backend. */
export interface InboundStep {
  readonly message: Readonly<Record<string, unknown>>;
}

/** People who have not been notified yet. */
export interface NotifyStep {
  readonly text: string;
  readonly recipients: readonly string[];
  /** For each person who could not be notified, the reason. */
  readonly failed?: readonly string[];
}

/** What a custom handler can use. */
export interface HandlingContext {
  /** Stable across retries, so that repeats can be detected. */
  readonly id: string;
  /** Attempts so far; 0 on the first. */
  readonly attempts: number;
  /** Aborts if the program stops, or if another instance has taken over the work. */
  readonly signal: AbortSignal;
  /** Publishes to devices: text as is, anything else as JSON; rejects without the broker's ack. */
  publish(topic: string, payload: unknown): Promise<void>;
  readonly backend: Backend | undefined;
  readonly whatsapp: WhatsApp | undefined;
}

/** A custom handler for a message; if it throws, it is called again later. */
export type MessageHandler = (
  message: Readonly<Record<string, unknown>>,
  context: HandlingContext,
) => Promise<void> | void;

export interface AlarmHandlerOptions {
  readonly backend: Backend | undefined;
  readonly whatsapp: WhatsApp | undefined;
  /** Numbers by company, used if the backend names none; `*` is every other company. */
  readonly recipients: Readonly<Record<string, readonly string[]>>;
  /** Publishes for custom handlers. */
  readonly publish?: HandlingContext["publish"] | undefined;
  /** Custom handlers by `tipo_mensaje`: called instead of the backend and of notifying people. */
  readonly handlerOf?: ((type: string) => MessageHandler | undefined) | undefined;
  /** Called instead of the backend for messages from people. */
  readonly onInbound?: MessageHandler | undefined;
}

export const PROCESS = "process";
export const NOTIFY = "notify";
export const INBOUND = "inbound";
/** Retry interval for work that no backend is configured for. */
const UNCONFIGURED_MS = 10_000;

/** Each step is stored before the next one starts, so that a retry does not repeat it. */
export function alarmHandler(options: AlarmHandlerOptions): DeliveryHandler {
  return async (delivery, signal) => {
    if (delivery.kind === PROCESS) return await process(delivery, options, signal);
    if (delivery.kind === NOTIFY) return await notify(delivery, options, signal);
    if (delivery.kind === INBOUND) return await receive(delivery, options, signal);
    throw new DeliveryError(`unknown kind of delivery: ${delivery.kind}`, {
      permanent: true,
    });
  };
}

function contextOf(
  { id, attempts }: Delivery,
  { backend, whatsapp, publish }: AlarmHandlerOptions,
  signal: AbortSignal,
): HandlingContext {
  const nowhere = () => Promise.reject(new Error("Cannot publish: there is no MQTT broker"));
  return { id, attempts, signal, backend, whatsapp, publish: publish ?? nowhere };
}

async function process(
  delivery: Delivery,
  options: AlarmHandlerOptions,
  signal: AbortSignal,
): Promise<NextStep | undefined> {
  const { id, data } = delivery;
  const { backend, whatsapp, recipients, handlerOf } = options;
  const { message, company, notifies } = data as ProcessStep;
  const own = handlerOf?.(String(message.tipo_mensaje));
  if (own) {
    await own(message, contextOf(delivery, options, signal));
    return undefined;
  }
  const named = await backend?.process(message, id, signal) ?? [];
  if (!notifies || !whatsapp) return undefined;
  const people = named.length > 0 ? named : peopleOf(recipients, company);
  if (people.length === 0) return undefined;
  const step: NotifyStep = { text: alarmText(message), recipients: [...new Set(people)] };
  return { kind: NOTIFY, data: step };
}

/** The numbers of the company, or else of `*`; a company may have any name, even `constructor`. */
function peopleOf(
  recipients: AlarmHandlerOptions["recipients"],
  company: string | undefined,
): readonly string[] {
  const name = company !== undefined && Object.hasOwn(recipients, company) ? company : "*";
  return recipients[name] ?? [];
}

async function receive(
  delivery: Delivery,
  options: AlarmHandlerOptions,
  signal: AbortSignal,
): Promise<undefined> {
  const { id, data } = delivery;
  const { backend, onInbound } = options;
  const { message } = data as InboundStep;
  if (onInbound) return void await onInbound(message, contextOf(delivery, options, signal));
  if (!backend) {
    throw new DeliveryError("no backend is configured: set BACKEND_URL", {
      away: true,
      retryAfterMs: UNCONFIGURED_MS,
    });
  }
  await backend.process(message, id, signal);
  return undefined;
}

async function notify(
  { data }: Delivery,
  { whatsapp }: AlarmHandlerOptions,
  signal: AbortSignal,
): Promise<NextStep | undefined> {
  const { text, recipients, failed = [] } = data as NotifyStep;
  const [next, ...others] = recipients;
  if (next === undefined || !whatsapp) {
    if (failed.length === 0) return undefined;
    const reasons = [...new Set(failed)].join(", ");
    throw new DeliveryError(`could not notify ${failed.length} recipient(s): ${reasons}`, {
      permanent: true,
    });
  }
  const step = (recipients: readonly string[], more: readonly string[] = []): NextStep => ({
    kind: NOTIFY,
    data: { text, recipients, failed: [...failed, ...more] } satisfies NotifyStep,
  });
  try {
    await whatsapp.send(next, { type: "text", text }, signal);
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error;
    // One number that is refused, or that keeps failing, must not block the others.
    if (!error.permanent) throw error.with({ next: step([...others, next]) });
    return step(others, [error.message]);
  }
  return others.length > 0 || failed.length > 0 ? step(others) : undefined;
}
