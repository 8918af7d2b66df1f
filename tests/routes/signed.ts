/** Tokens for tests. */

import { type JWTPayload, SignJWT } from "jose";

export const SECRET = "a secret of at least thirty-two bytes";

export function sign(
  claims: JWTPayload,
  { secret = SECRET, alg = "HS256" }: { secret?: string; alg?: string } = {},
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret));
}

export const bearer = (text: string) => ({ headers: { authorization: `Bearer ${text}` } });

/** POSTs JSON with a token. */
export const posted = (body: unknown, token: string): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  ...bearer(token),
});

/** Seconds since 1970, now or later. */
export const seconds = (later = 0) => Math.floor(Date.now() / 1000) + later;
