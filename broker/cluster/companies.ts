/** The companies whose devices send messages, kept in the store and shared by all instances. */

import { logFault } from "../../telemetry/fault.ts";
import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import type { KvClient } from "../store/kv_client.ts";
import { COMPANY_PREFIX, companyKey } from "../store/kv_keys.ts";
import { decodeJson, encodeJson } from "../store/stored_json.ts";
import { asStore, isStoreFailure } from "../store/store_failure.ts";

export interface Company {
  /** The id that messages use. */
  readonly id: string;
  /** The name that people see. */
  readonly name: string;
}

const FIRST: readonly Company[] = [
  { id: "cota", name: "Cota" },
  { id: "tocancipa", name: "Tocancipa" },
  { id: "funza", name: "Funza" },
  { id: "madrid", name: "Madrid" },
];
const REFRESH_MS = 1_000;
const MAX_COMPANIES = 10_000;
const PAGE = 500;
/** Maximum number of refused names that are kept for operators. */
const MAX_REFUSED = 100;

export class Companies implements AsyncDisposable {
  #known = new Map<string, Company>(FIRST.map((company) => [company.id, company]));
  /** Number of messages that named an unknown company, by that name. */
  readonly refused = new Map<string, number>();
  refusedCount = 0;
  #run: Promise<void> = Promise.resolve();
  readonly #closed = new AbortController();

  readonly #kv: KvClient;

  constructor(kv: KvClient, private readonly clock: Clock = SYSTEM_CLOCK) {
    this.#kv = asStore(kv);
  }

  /** Reads the companies, and keeps reading what other instances add. */
  async start(): Promise<void> {
    await this.#read();
    this.#run = this.#refresh();
  }

  get all(): Company[] {
    return [...this.#known.values()];
  }

  has(id: string): boolean {
    return this.#known.has(id);
  }

  /**
   * Adds or renames a company: on this instance at once, on the others within a second.
   * @throws {StoreFailure}
   */
  async add(company: Company): Promise<void> {
    const value = encodeJson(company);
    await this.#kv.commit({ checks: [], sets: [{ key: companyKey(company.id), value }] });
    this.#known.set(company.id, company);
  }

  /** Counts a message that named an unknown company. */
  refuse(id: string): void {
    this.refusedCount++;
    if (this.refused.size < MAX_REFUSED || this.refused.has(id)) {
      this.refused.set(id, (this.refused.get(id) ?? 0) + 1);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#run;
  }

  async #refresh(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await this.clock.sleep(REFRESH_MS, signal);
      if (!signal.aborted) await this.#read();
    }
  }

  async #read(): Promise<void> {
    try {
      this.#known = await this.#stored();
    } catch (error) {
      // While the store is unavailable, the known companies stay.
      if (!isStoreFailure(error)) logFault("companies could not be read", error);
    }
  }

  async #stored(): Promise<Map<string, Company>> {
    const known = new Map<string, Company>(FIRST.map((company) => [company.id, company]));
    let after: readonly (string | number)[] | undefined;
    while (known.size < MAX_COMPANIES) {
      const options = { limit: PAGE, ...(after ? { after } : {}) };
      const page = await this.#kv.list({ prefix: COMPANY_PREFIX }, options);
      for (const entry of page) {
        const company = decodeJson(entry.value) as Company;
        known.set(company.id, company);
      }
      if (page.length < PAGE) break;
      after = page.at(-1)!.key;
    }
    return known;
  }
}
