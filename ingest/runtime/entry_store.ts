/** Stores the messages of all sources: in the log, with their jobs, or in the inbox. */

import type { Companies } from "../../broker/cluster/companies.ts";
import type { InboundMessage } from "../../broker/messages/inbound_message.ts";
import type { Inbox } from "../../broker/deliveries/inbox.ts";
import type { DeliveryQueue } from "../../broker/deliveries/queue.ts";
import type { Fanout } from "../../broker/log/fanout.ts";
import type { Entry } from "../../broker/messages/message.ts";
import { getLogger } from "../../telemetry/log.ts";
import { sleep } from "../../lib/clock.ts";

const log = getLogger("ingest");
const FULL_RETRY_MS = 1_000;

export interface EntryStoreOptions {
  readonly fanout: Fanout;
  /** Messages that name an unknown company are refused. */
  readonly companies: Companies;
  /** Whether there is anything that panic button messages are delivered to. */
  readonly delivers: boolean;
  /** Runs stored jobs; undefined in shadow mode, where another system runs them. */
  readonly deliveries: DeliveryQueue | undefined;
  /** Accepts messages from people; undefined in shadow mode. */
  readonly inbox: Inbox | undefined;
}

export class EntryStore {
  readonly #closed = new AbortController();

  constructor(private readonly options: EntryStoreOptions) {}

  /**
   * Resolves when all entries are durable. If too many jobs are waiting, a panic button message is
   * streamed but not delivered; a message from a person waits, so that its peer keeps it.
   */
  async publish(entries: readonly Entry[], leased: boolean): Promise<void> {
    const { companies, deliveries, fanout } = this.options;
    const kept: Entry[] = [];
    const inbound: InboundMessage[] = [];
    let jobs = 0;
    for (const entry of entries) {
      const company = entry.job?.company;
      if (entry.inbound) inbound.push(entry.inbound);
      else if (company !== undefined && !companies.has(company)) companies.refuse(company);
      else if (entry.job && this.#mayDeliver()) {
        kept.push(entry);
        jobs++;
      } else kept.push(entry.job ? { ...entry, job: undefined } : entry);
    }
    await Promise.all([
      fanout.publish(kept, { leased }),
      ...inbound.map((message) => this.#receive(message)),
    ]);
    if (jobs > 0) deliveries?.notify();
  }

  /** Gives up on messages that are not stored yet. */
  close(): void {
    this.#closed.abort(new Error("the sources are stopped"));
  }

  #mayDeliver(): boolean {
    const { delivers, deliveries } = this.options;
    if (!delivers || !deliveries) return false;
    if (deliveries.admit()) return true;
    log.error("too many jobs are waiting: alarms are not delivered");
    return false;
  }

  async #receive(message: InboundMessage): Promise<void> {
    const { inbox, deliveries } = this.options;
    if (!inbox || !deliveries) return;
    const { signal } = this.#closed;
    while (deliveries.isFull && !signal.aborted) {
      log.error("too many jobs are waiting: messages from people wait too");
      await sleep(FULL_RETRY_MS, signal);
    }
    deliveries.admit();
    await inbox.store(message, signal);
  }
}
