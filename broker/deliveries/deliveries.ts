/** Work that messages cause: who it is done for, and what waits. Undefined parts are not set. */

import { alarmHandler, type HandlingContext, type MessageHandler } from "./alarm_handler.ts";
import { Backend } from "./backend.ts";
import { InboundServer } from "./inbound_server.ts";
import { Inbox } from "./inbox.ts";
import { DeliveryQueue } from "./queue.ts";
import { WhatsApp } from "./whatsapp.ts";
import type { OpenStore } from "../log/open.ts";
import { isStoreFailure } from "../store/store_failure.ts";
import type { Config } from "../../config/read.ts";
import { logFault } from "../../telemetry/fault.ts";
import { getLogger, reasonOf } from "../../telemetry/log.ts";

const log = getLogger("delivery");
const POLL_MS = 1_000;
const IDLE_POLL_MS = 10_000;

/** What is called in the place of the backend and of people. */
export interface WorkHandlers {
  /** By `tipo_mensaje`; undefined where the usual is done. */
  handlerOf?(type: string): MessageHandler | undefined;
  /** Takes messages from people. */
  readonly onInbound?: MessageHandler | undefined;
}

export interface Work extends AsyncDisposable {
  readonly backend: Backend | undefined;
  readonly whatsapp: WhatsApp | undefined;
  /** The three are undefined beside a system that delivers itself. */
  readonly deliveries: DeliveryQueue | undefined;
  readonly inbox: Inbox | undefined;
  readonly inbound: InboundServer | undefined;
  /** Whether there is somebody who takes messages from people. */
  readonly takesInbound: boolean;
}

export function openWork(
  config: Config,
  { work: kv }: OpenStore,
  { instance, publish, handlers = {} }: {
    readonly instance: string;
    readonly publish: HandlingContext["publish"];
    readonly handlers?: WorkHandlers | undefined;
  },
): Work {
  const backend = config.backendUrl === undefined ? undefined : new Backend({
    url: config.backendUrl,
    onAway: onAway("the backend", "BACKEND_URL"),
  });
  const whatsapp = config.whatsapp &&
    new WhatsApp({ ...config.whatsapp, onAway: onAway("WhatsApp", "WHATSAPP_API_URL") });
  const takesInbound = backend !== undefined || handlers.onInbound !== undefined;
  const queues = config.shadow ? undefined : openQueues(config, kv, {
    instance,
    takesInbound,
    handler: alarmHandler({
      backend,
      whatsapp,
      recipients: config.whatsapp?.recipients ?? {},
      publish,
      ...handlers,
    }),
  });
  return {
    backend,
    whatsapp,
    deliveries: queues?.deliveries,
    inbox: queues?.inbox,
    inbound: queues?.inbound,
    takesInbound,
    async [Symbol.asyncDispose]() {
      await queues?.inbox[Symbol.asyncDispose]();
      await queues?.deliveries[Symbol.asyncDispose]();
    },
  };
}

function openQueues(
  { maxMessageBytes, backendUrl, whatsapp }: Config,
  kv: OpenStore["work"],
  { takesInbound, ...options }: {
    readonly instance: string;
    readonly takesInbound: boolean;
    readonly handler: ReturnType<typeof alarmHandler>;
  },
) {
  const onError = (error: unknown) =>
    isStoreFailure(error)
      ? log.debug("deliveries wait for the store: {reason}", { reason: reasonOf(error) })
      : logFault("deliveries are held up", error);
  const deliveries = new DeliveryQueue(kv, {
    ...options,
    onError,
    // Where nobody is configured there is little to look for, and reads may cost money.
    pollMs: backendUrl === undefined && !whatsapp ? IDLE_POLL_MS : POLL_MS,
    onDead: ({ id, kind, attempts, reason }, kept) =>
      log.error(
        kept
          ? "delivery {id} ({kind}) failed for good, attempts {attempts}: {reason}"
          : "delivery {id} ({kind}) failed for good and is not kept, attempts {attempts}: {reason}",
        { id, kind, attempts, reason },
      ),
    onFault: ({ kind }, error) => logFault(`the handler of ${kind} failed`, error),
  });
  const inbox = new Inbox(kv, { onQueued: () => deliveries.notify(), onError });
  const admit = () => deliveries.admit();
  const inbound = new InboundServer({ inbox, maxMessageBytes, isTaken: takesInbound, admit });
  return { deliveries, inbox, inbound };
}

function onAway(name: string, variable: string): (away: boolean) => void {
  return (away) =>
    away
      ? log.warning("{name} is away: what is for it waits; check {variable}", { name, variable })
      : log.info("{name} is back", { name });
}
