/** Tokens: who may see which devices, and do what. */

import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyGetKey } from "jose";
import { Interest } from "../broker/interest.ts";
import type { AuthConfig } from "../config.ts";

export type Scope = "stream" | "publish" | "admin";

/** What a token allows. */
export interface Grant {
  readonly subject: string | undefined;
  /** The token's own id. */
  readonly tokenId: string | undefined;
  readonly scopes: ReadonlySet<string>;
  /** Devices by id or prefix; empty where the token names none. */
  readonly devices: Interest;
  /** Milliseconds since 1970; undefined where the token never expires. */
  readonly expiresAt: number | undefined;
}

/** Everything: where no tokens are used. */
export const OPEN_GRANT: Grant = {
  subject: undefined,
  tokenId: undefined,
  scopes: new Set(["stream", "publish", "admin"]),
  devices: Interest.EVERYTHING,
  expiresAt: undefined,
};

/** A token that is no good; the message is for its holder, and never repeats it. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  constructor(readonly code: "token_required" | "bad_token" | "token_expired", message: string) {
    super(message);
  }
}

const MAX_GRANTED = 100_000;
const MAX_TOKEN_CHARS = 16_384;

/** Checks tokens by a shared secret (HS256), or by the public keys of an identity provider. */
export class Tokens {
  readonly #key: Uint8Array | JWTVerifyGetKey;
  readonly #algorithms: string[];

  constructor(private readonly config: AuthConfig) {
    if (config.secret !== undefined) {
      this.#key = new TextEncoder().encode(config.secret);
      this.#algorithms = ["HS256"];
    } else {
      // Keys are cached; an unknown key id asks again, at most twice a minute.
      this.#key = createRemoteJWKSet(new URL(config.jwksUrl!), {
        cacheMaxAge: 600_000,
        cooldownDuration: 30_000,
        timeoutDuration: 5_000,
      });
      this.#algorithms = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"];
    }
  }

  /** @throws {TokenError} */
  async verify(token: string | undefined): Promise<Grant> {
    if (!token) {
      throw new TokenError("token_required", "A token is needed: Authorization: Bearer <token>");
    }
    if (token.length > MAX_TOKEN_CHARS) throw new TokenError("bad_token", "The token is too long");
    const { audience, issuer, clockSkewSeconds } = this.config;
    try {
      const { payload } = await jwtVerify(token, this.#key as Uint8Array, {
        algorithms: this.#algorithms,
        clockTolerance: clockSkewSeconds,
        ...(audience === undefined ? {} : { audience }),
        ...(issuer === undefined ? {} : { issuer }),
      });
      return {
        subject: payload.sub,
        tokenId: payload.jti,
        scopes: new Set(words(payload.scope, " ")),
        devices: Interest.parse(words(payload.device_ids, ","), MAX_GRANTED),
        expiresAt: payload.exp === undefined ? undefined : (payload.exp + clockSkewSeconds) * 1000,
      };
    } catch (error) {
      if (error instanceof errors.JWTExpired) {
        throw new TokenError("token_expired", "The token has expired: get a new one");
      }
      throw new TokenError("bad_token", "The token is not valid here");
    }
  }
}

/** A claim that is a list, or text with separators. */
function words(claim: unknown, separator: string): string[] {
  if (typeof claim === "string") return claim.split(separator).filter(Boolean);
  if (Array.isArray(claim)) return claim.filter((word) => typeof word === "string");
  return [];
}

/**
 * What of the asked-for devices the grant covers: `*` becomes all that is granted. `denied` is an
 * item that is not covered.
 */
export function narrow(
  asked: Interest,
  { devices }: Grant,
): { granted: Interest } | { denied: string } {
  if (devices.all) return { granted: asked };
  const items: string[] = [];
  for (const item of asked.items) {
    if (item === "*") items.push(...devices.items);
    else if (covers(devices, item)) items.push(item);
    else return { denied: item };
  }
  if (items.length === 0) return { denied: "*" };
  return { granted: Interest.parse(items, MAX_GRANTED) };
}

function covers(devices: Interest, item: string): boolean {
  if (!item.endsWith("*")) return devices.matches(item);
  const prefix = item.slice(0, -1);
  return devices.prefixes.some((granted) => prefix.startsWith(granted));
}
