/** Revokes tokens before they expire. */

import { Hono } from "hono";
import { z } from "zod";
import { type Revocation, TooManyRevocationsError } from "../../broker/cluster/revocations.ts";
import type { AppDeps } from "../http/deps.ts";
import { jsonBody } from "../http/json_body.ts";
import { ProblemError } from "../http/problem.ts";

const MAX_DAYS = 366;
const DEFAULT_DAYS = 30;
const DAY_MS = 86_400_000;
const id = z.string().min(1).max(1_024);

export const revokeSchema = z.strictObject({
  jti: id.optional().describe("The token with this id"),
  sub: id.optional().describe("All tokens of this subject issued until now"),
  expires_at: z.number().int().positive().optional().describe(
    "When the last of them expires by itself, in seconds since 1970. Default: 30 days from now",
  ),
}).refine(
  ({ jti, sub }) => (jti === undefined) !== (sub === undefined),
  "must have either jti, a token, or sub, a subject",
).meta({ oneOf: [{ required: ["jti"] }, { required: ["sub"] }] });

/** Both routes require the scope `admin`. */
export function revocationRoutes({ revocations }: AppDeps): Hono {
  return new Hono()
    .post("/api/v1/tokens/revoke", async (c) => {
      const { jti, sub, expires_at } = await jsonBody(c, revokeSchema);
      const now = Date.now();
      const until = expires_at === undefined ? now + DEFAULT_DAYS * DAY_MS : expires_at * 1000;
      if (until <= now || until > now + MAX_DAYS * DAY_MS) {
        throw new ProblemError({
          status: 400,
          code: "bad_body",
          detail: `expires_at: must be in the future, and at most ${MAX_DAYS} days from now`,
        });
      }
      try {
        const revoked = await revocations.revoke(
          jti === undefined ? { kind: "sub", id: sub!, until } : { kind: "jti", id: jti, until },
        );
        return c.json(describe(revoked));
      } catch (error) {
        throw error instanceof TooManyRevocationsError
          ? new ProblemError({
            status: 409,
            code: "too_many_revocations",
            detail: "The limit of revocations is reached: change the secret or the keys",
          })
          : new ProblemError({
            status: 503,
            code: "store_away",
            detail: "The store does not answer, so other instances may not know of it: try again",
            headers: { "retry-after": "5" },
          });
      }
    })
    .get("/api/v1/tokens/revoked", (c) => c.json({ revoked: revocations.all.map(describe) }));
}

function describe({ kind, id, at, until }: Revocation) {
  return {
    [kind]: id,
    revoked_at: Math.floor(at / 1000),
    expires_at: Math.floor(until / 1000),
  };
}
