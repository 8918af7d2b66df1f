/** Tokens: which devices a client may see, and what it may do. */

import { errors, type JWTPayload, jwtVerify, type JWTVerifyOptions } from "jose";
import { Interest } from "../../broker/messages/interest.ts";
import type { TokenIdentity } from "../../broker/cluster/revocations.ts";
import type { AuthConfig } from "../../config/config.ts";
import { KeysAwayError, ProviderKeys } from "./jwks.ts";
import { SCOPES } from "./scopes.ts";

/** What a token allows. */
export interface Grant extends TokenIdentity {
  readonly scopes: ReadonlySet<string>;
  /** Devices by id or prefix; empty if the token names none. */
  readonly devices: Interest;
  /** Milliseconds since 1970; undefined if the token never expires. */
  readonly expiresAt: number | undefined;
}

/** Allows everything: for a server without tokens. */
export const OPEN_GRANT: Grant = {
  subject: undefined,
  tokenId: undefined,
  issuedAt: undefined,
  scopes: new Set(SCOPES),
  devices: Interest.EVERYTHING,
  expiresAt: undefined,
};

export type TokenErrorCode =
  | "token_required"
  | "bad_token"
  | "token_expired"
  | "token_revoked"
  /** The token may be valid, but cannot be checked now. */
  | "keys_away";

/** An invalid token; the message is for its holder, and never contains the token. */
export class TokenError extends Error {
  override readonly name = "TokenError";
  constructor(readonly code: TokenErrorCode, message: string) {
    super(message);
  }
}

const MAX_GRANTED = 100_000;
const MAX_TOKEN_CHARS = 16_384;
/** The end of the year 9999; refuses times in milliseconds, which are larger. */
const MAX_TIME_SECONDS = 253_402_300_799;

/** Checks tokens with a shared secret (HS256), or with the public keys of an identity provider. */
export class Tokens {
  readonly #key: Uint8Array | ProviderKeys;
  readonly #options: JWTVerifyOptions;

  constructor(private readonly config: AuthConfig) {
    const { secret, jwksUrl, audience, issuer, clockSkewSeconds } = config;
    this.#key = secret === undefined
      ? new ProviderKeys(jwksUrl!)
      : new TextEncoder().encode(secret);
    this.#options = {
      // A public key must never be used as the secret of an HMAC, or vice versa.
      algorithms: secret === undefined
        ? ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
        : ["HS256"],
      clockTolerance: clockSkewSeconds,
      ...(audience === undefined ? {} : { audience }),
      ...(issuer === undefined ? {} : { issuer }),
    };
  }

  /** @throws {TokenError} */
  async verify(token: string | undefined): Promise<Grant> {
    if (!token) {
      throw new TokenError("token_required", "A token is required: Authorization: Bearer <token>");
    }
    if (token.length > MAX_TOKEN_CHARS) throw new TokenError("bad_token", "The token is too long");
    try {
      const { sub, jti, iat, exp, nbf, scope, device_ids } = await this.#payload(token);
      if (!isName(sub) || !isName(jti)) throw new TypeError("sub and jti must be text");
      if (![iat, exp, nbf].every(isTime)) {
        throw new TypeError("iat, exp and nbf must be seconds");
      }
      const now = Date.now();
      const issuedAt = iat === undefined ? undefined : iat * 1000;
      if (issuedAt !== undefined && issuedAt > now + this.config.clockSkewSeconds * 1000) {
        throw new TypeError("iat is in the future");
      }
      return {
        subject: sub,
        tokenId: jti,
        // If the issuer's clock is ahead of ours, the token must still be covered by a revocation
        // of now.
        issuedAt: issuedAt === undefined ? undefined : Math.min(issuedAt, now),
        scopes: scopesOf(scope),
        devices: devicesOf(device_ids),
        expiresAt: exp === undefined ? undefined : (exp + this.config.clockSkewSeconds) * 1000,
      };
    } catch (error) {
      if (error instanceof KeysAwayError) {
        throw new TokenError("keys_away", "Tokens cannot be checked now: try again");
      }
      if (error instanceof errors.JWTExpired) {
        throw new TokenError("token_expired", "The token has expired: get a new one");
      }
      throw new TokenError("bad_token", "The token is not valid here");
    }
  }

  async #payload(token: string): Promise<JWTPayload> {
    const key = this.#key;
    if (key instanceof Uint8Array) return (await jwtVerify(token, key, this.#options)).payload;
    try {
      return (await jwtVerify(token, key.get, this.#options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      // The token has no key id, and the provider has an old key and a new one.
      for await (const one of error) {
        try {
          return (await jwtVerify(token, one, this.#options)).payload;
        } catch (failed) {
          if (!(failed instanceof errors.JWSSignatureVerificationFailed)) throw failed;
        }
      }
      throw error;
    }
  }
}

/** A token can be revoked only by a `sub` or `jti` that is text. */
const isName = (claim: unknown) => claim === undefined || typeof claim === "string";

/** Seconds since 1970, which may have a fraction (RFC 7519, 2). */
const isTime = (claim: number | undefined) =>
  claim === undefined || Math.abs(claim) <= MAX_TIME_SECONDS;

/** Words separated by spaces, or a list of them. */
function scopesOf(claim: unknown): ReadonlySet<string> {
  return new Set(typeof claim === "string" ? claim.split(" ") : textsOf(claim));
}

function devicesOf(claim: unknown): Interest {
  if (typeof claim === "string") return Interest.parse([claim], MAX_GRANTED);
  return Interest.list(textsOf(claim), MAX_GRANTED);
}

function textsOf(claim: unknown): string[] {
  return Array.isArray(claim) ? claim.filter((entry) => typeof entry === "string") : [];
}

/**
 * The part of the requested devices that the grant covers; `*` becomes everything granted. `denied`
 * is an item that is not covered.
 */
export function narrow(
  asked: Interest,
  { devices }: Grant,
): { granted: Interest } | { denied: string } {
  const denied = asked.itemBeyond(devices) ?? (devices.empty ? "*" : undefined);
  if (denied !== undefined) return { denied };
  return { granted: asked.all && !devices.all ? devices : asked };
}
