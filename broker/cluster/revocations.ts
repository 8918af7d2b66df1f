/** Revoked tokens, kept in the store until they would have expired. */

import { type Clock, SYSTEM_CLOCK } from "../../lib/clock.ts";
import { attempt } from "../../telemetry/fault.ts";
import type { KvClient, KvKey } from "../store/kv_client.ts";
import { REVOKED_PREFIX, revokedKey, WAKE_KEY } from "../store/kv_keys.ts";
import { decodeJson, encodeJson } from "../store/stored_json.ts";

/** Revokes one token by its id, or all tokens of a subject that were issued up to `at`. */
export interface Revocation {
  readonly kind: "jti" | "sub";
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Forgotten after this time: the token has expired by then. */
  readonly until: number;
}

/** The claims of a token that decide whether it is revoked. */
export interface TokenIdentity {
  readonly tokenId: string | undefined;
  readonly subject: string | undefined;
  /** Milliseconds since 1970; undefined if the token does not say. */
  readonly issuedAt: number | undefined;
}

/** How often the versionstamp is checked. */
const POLL_MS = 500;
const PAGE = 500;
/** Maximum size of the list: it is not the way to revoke the access of more clients. */
const MAX_REVOCATIONS = 50_000;

/** The maximum number of revocations is reached: change the secret, or the provider's keys. */
export class TooManyRevocationsError extends Error {
  override readonly name = "TooManyRevocationsError";
}

export class Revocations implements AsyncDisposable {
  #known = new Map<string, Revocation>();
  #listeners = new Set<() => void>();
  #versionstamp: string | undefined;
  #run: Promise<void> = Promise.resolve();
  readonly #closed = new AbortController();

  constructor(private readonly kv: KvClient, private readonly clock: Clock = SYSTEM_CLOCK) {}

  /** Reads the revocations, and keeps reading what other instances add. */
  async start(): Promise<void> {
    await this.#look().catch(() => {});
    this.#run = this.#follow();
  }

  get all(): Revocation[] {
    const now = this.clock.wall();
    return [...this.#known.values()].filter(({ until }) => until > now);
  }

  isRevoked({ tokenId, subject, issuedAt }: TokenIdentity): boolean {
    if (this.#known.size === 0) return false;
    const now = this.clock.wall();
    const byId = tokenId === undefined ? undefined : this.#known.get(`jti ${tokenId}`);
    if (byId && byId.until > now) return true;
    const bySubject = subject === undefined ? undefined : this.#known.get(`sub ${subject}`);
    // A token that does not say when it was issued may be an old one.
    return bySubject !== undefined && bySubject.until > now && (issuedAt ?? 0) <= bySubject.at;
  }

  /** Applies here at once, elsewhere within a second. Rejects if the store is unavailable. */
  async revoke({ kind, id, until }: Omit<Revocation, "at">): Promise<Revocation> {
    const revocation: Revocation = { kind, id, at: this.clock.wall(), until };
    if (this.#known.size >= MAX_REVOCATIONS) this.#forgetExpired();
    const known = this.#known.has(nameOf(revocation));
    if (!known && this.#known.size >= MAX_REVOCATIONS) throw new TooManyRevocationsError();
    const key = revokedKey(kind, await digest(id));
    await this.kv.commit({
      checks: [],
      sets: [
        { key, value: encodeJson(revocation) },
        { key: WAKE_KEY, value: new TextEncoder().encode(crypto.randomUUID()) },
      ],
    });
    this.#known.set(nameOf(revocation), revocation);
    this.#tell();
    return revocation;
  }

  /** Calls back whenever there may be new revocations; returns a function that unsubscribes. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#run;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await this.clock.sleep(POLL_MS, signal);
      // While the store is unavailable, the known revocations stay.
      if (!signal.aborted) await this.#look().catch(() => {});
    }
  }

  async #look(): Promise<void> {
    const versionstamp = (await this.kv.get(WAKE_KEY))?.versionstamp ?? "none";
    if (versionstamp === this.#versionstamp) return;
    const known = new Map<string, Revocation>();
    const expired: KvKey[] = [];
    let after: KvKey | undefined;
    for (;;) {
      const page = await this.kv.list(
        { prefix: REVOKED_PREFIX },
        { limit: PAGE, ...(after ? { after } : {}) },
      );
      for (const { key, value } of page) {
        const revocation = decodeJson(value) as Revocation;
        if (revocation.until > this.clock.wall()) known.set(nameOf(revocation), revocation);
        else expired.push(key);
      }
      if (page.length < PAGE) break;
      after = page.at(-1)!.key;
    }
    this.#known = known;
    this.#versionstamp = versionstamp;
    this.#tell();
    if (expired.length === 0) return;
    await this.kv.commit({ checks: [], sets: [], deletes: expired.slice(0, PAGE) });
  }

  #forgetExpired(): void {
    const now = this.clock.wall();
    for (const [name, { until }] of this.#known) if (until <= now) this.#known.delete(name);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) {
      attempt("a revocation listener failed", listener);
    }
  }
}

const nameOf = ({ kind, id }: Pick<Revocation, "kind" | "id">) => `${kind} ${id}`;

/** Hashed, because an id may be longer than a key allows. */
async function digest(id: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(id));
  return new Uint8Array(hash).toHex();
}
