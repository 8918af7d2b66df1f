/** The public keys of an identity provider, kept while it is unavailable. */

import {
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from "jose";
import { discard, readStart } from "../../broker/deliveries/http_answer.ts";
import { getLogger } from "../../telemetry/log.ts";

const log = getLogger("routes", "tokens");
/** Keys older than this are fetched again; the old ones stay in use meanwhile. */
const FRESH_MS = 300_000;
/** Minimum time between two requests: forged key ids must not cause load on the provider. */
const COOLDOWN_MS = 30_000;
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 1_048_576;

/** No keys could be fetched so far, so no token can be checked. */
export class KeysAwayError extends Error {
  override readonly name = "KeysAwayError";
}

type KeyGetter = ReturnType<typeof createLocalJWKSet>;

export interface ProviderKeysOptions {
  readonly freshMs?: number;
  readonly cooldownMs?: number;
  readonly now?: () => number;
}

/**
 * A key that the provider withdraws is dropped at the next successful request. While the provider
 * does not answer, the last keys stay valid, without a time limit.
 */
export class ProviderKeys {
  #keys: KeyGetter | undefined;
  #readAt = -Infinity;
  #askedAt = -Infinity;
  #asking: Promise<void> | undefined;
  #away = false;
  readonly #freshMs: number;
  readonly #cooldownMs: number;
  readonly #now: () => number;

  constructor(private readonly url: string, options: ProviderKeysOptions = {}) {
    this.#freshMs = options.freshMs ?? FRESH_MS;
    this.#cooldownMs = options.cooldownMs ?? COOLDOWN_MS;
    this.#now = options.now ?? (() => performance.now());
  }

  /** @throws {KeysAwayError} and what jose throws if no key matches. */
  readonly get = async (
    header: JWSHeaderParameters,
    token: FlattenedJWSInput,
  ): Promise<Awaited<ReturnType<KeyGetter>>> => {
    if (!this.#keys) await this.#ask();
    if (!this.#keys) throw new KeysAwayError();
    if (this.#now() - this.#readAt > this.#freshMs) this.#ask();
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // It may be a new key of the provider.
      await this.#ask();
      return await this.#keys(header, token);
    }
  };

  #ask(): Promise<void> {
    if (this.#asking) return this.#asking;
    const wait = this.#keys ? this.#cooldownMs : Math.min(this.#cooldownMs, 1_000);
    if (this.#now() - this.#askedAt < wait) return Promise.resolve();
    this.#askedAt = this.#now();
    return this.#asking = this.#read().finally(() => this.#asking = undefined);
  }

  async #read(): Promise<void> {
    try {
      const response = await fetch(this.url, {
        headers: { accept: "application/jwk-set+json, application/json" },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!response.ok) {
        await discard(response);
        throw new Error(`status ${response.status}`);
      }
      const { text, whole } = await readStart(response, MAX_BYTES);
      if (!whole) throw new Error("an answer of more than 1 MB");
      this.#keys = createLocalJWKSet(parse(text));
      this.#readAt = this.#now();
      if (this.#away) log.info("AUTH_JWKS_URL answers again");
      this.#away = false;
    } catch (error) {
      if (!this.#away) {
        const { name, message } = error as Error;
        const reason = name === "TypeError" ? "it cannot be reached" : message;
        log.error("AUTH_JWKS_URL returned no keys ({reason}): {left}", {
          reason,
          left: this.#keys ? "the previous ones stay in use" : "no token can be checked",
        });
      }
      this.#away = true;
    }
  }
}

/** Refuses an empty set: it means a broken provider, and would lock everyone out. */
function parse(text: string): JSONWebKeySet {
  let set: JSONWebKeySet;
  try {
    set = JSON.parse(text);
  } catch {
    throw new Error("an answer that is not JSON");
  }
  if (!Array.isArray(set?.keys) || set.keys.length === 0) throw new Error("an answer without keys");
  return set;
}
