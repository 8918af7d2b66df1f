/** What is done with a message: a panic button's goes to the backend and then to people. */

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

/** People who have not been told yet. */
export interface NotifyStep {
  readonly text: string;
  readonly recipients: readonly string[];
  /** Why some cannot be told at all, a reason each. */
  readonly failed?: readonly string[];
}

/** What a handler of a program's own has at hand. */
export interface HandlingContext {
  /** Stable over retries: what tells a repeat. */
  readonly id: string;
  /** Tries so far; 0 at the first. */
  readonly attempts: number;
  /** Aborts where the program stops, or another instance has taken the work over. */
  readonly signal: AbortSignal;
  /** An answer to devices: text as it is, anything else as JSON; rejects without the broker's ack. */
  publish(topic: string, payload: unknown): Promise<void>;
  readonly backend: Backend | undefined;
  readonly whatsapp: WhatsApp | undefined;
}

/** What a program does with a message itself; where it throws, it is called again later. */
export type MessageHandler = (
  message: Readonly<Record<string, unknown>>,
  context: HandlingContext,
) => Promise<void> | void;

export interface AlarmHandlerOptions {
  readonly backend: Backend | undefined;
  readonly whatsapp: WhatsApp | undefined;
  /** Numbers by company, where the backend names none; `*` is every other company. */
  readonly recipients: Readonly<Record<string, readonly string[]>>;
  /** Publishes for handlers of a program's own. */
  readonly publish?: HandlingContext["publish"] | undefined;
  /** In the place of the backend and of people, by `tipo_mensaje`. */
  readonly handlerOf?: ((type: string) => MessageHandler | undefined) | undefined;
  /** In the place of the backend, for messages from people. */
  readonly onInbound?: MessageHandler | undefined;
}

export const PROCESS = "process";
export const NOTIFY = "notify";
export const INBOUND = "inbound";
/** How often work looks whether somebody is there to do it, where nobody is configured. */
const UNCONFIGURED_MS = 10_000;

/** Each step is noted before the next begins, so that a retry does not repeat what was done. */
export function alarmHandler(options: AlarmHandlerOptions): DeliveryHandler {
  return async (delivery, signal) => {
    if (delivery.kind === PROCESS) return await process(delivery, options, signal);
    if (delivery.kind === NOTIFY) return await notify(delivery, options, signal);
    if (delivery.kind === INBOUND) return await receive(delivery, options, signal);
    throw new DeliveryError(`nothing is known of work of kind ${delivery.kind}`, {
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

/** Of the company, else of all others; a company may have any name, `constructor` too. */
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
    throw new DeliveryError("there is nobody to hand it to: set BACKEND_URL", {
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
    throw new DeliveryError(`${failed.length} people could not be told: ${reasons}`, {
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
    // One number that is refused, or fails again and again, must not keep the others from being told.
    if (!error.permanent) throw error.with({ next: step([...others, next]) });
    return step(others, [error.message]);
  }
  return others.length > 0 || failed.length > 0 ? step(others) : undefined;
}
