/**
 * Services and queues for the work that messages cause; undefined if they are not configured.
 *
 * The deliveries room: work that is done once, in order, and tried again. It imports log/, store/,
 * messages/, config/, telemetry/ and lib/.
 */

import { alarmHandler, type HandlingContext, type MessageHandler } from "./alarm_handler.ts";
import { Backend } from "./backend.ts";
import { InboundServer } from "./inbound_server.ts";
import { Inbox } from "./inbox.ts";
import { DeliveryQueue } from "./queue.ts";
import { WhatsApp } from "./whatsapp.ts";
import type { OpenStore } from "../log/open.ts";
import { isStoreFailure } from "../store/store_failure.ts";
import type { Config } from "../../config/config.ts";
import { logFault } from "../../telemetry/fault.ts";
import { getLogger, reasonOf } from "../../telemetry/log.ts";

const log = getLogger("delivery");
const POLL_MS = 1_000;
const IDLE_POLL_MS = 10_000;

/** Custom handlers, called instead of the backend and of notifying people. */
export interface WorkHandlers {
  /** The handler for a `tipo_mensaje`; undefined for the default. */
  handlerOf?(type: string): MessageHandler | undefined;
  /** Handles messages from people. */
  readonly onInbound?: MessageHandler | undefined;
}

export interface Work extends AsyncDisposable {
  readonly backend: Backend | undefined;
  readonly whatsapp: WhatsApp | undefined;
  /** These three are undefined with `--shadow`: the other system delivers. */
  readonly deliveries: DeliveryQueue | undefined;
  readonly inbox: Inbox | undefined;
  readonly inbound: InboundServer | undefined;
  /** Whether messages from people have a handler. */
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
      ? log.debug("deliveries are waiting for the store: {reason}", { reason: reasonOf(error) })
      : logFault("deliveries are blocked", error);
  const deliveries = new DeliveryQueue(kv, {
    ...options,
    onError,
    // Without a backend and WhatsApp there is little to find, and reads may cost money.
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
      ? log.warning("{name} is unavailable, deliveries wait: check {variable}", { name, variable })
      : log.info("{name} is back", { name });
}
