/** Operations that revoke tokens. */

import { z } from "zod";
import { revokeSchema } from "../api/revocation.ts";
import type { Operation } from "./operation.ts";

const seconds = z.int().describe("Seconds since 1970");
const revokedSchema = z.object({
  jti: z.string().optional().describe("One token"),
  sub: z.string().optional().describe("All tokens of this subject issued up to `revoked_at`"),
  revoked_at: seconds,
  expires_at: seconds.describe("Seconds since 1970, when the revocation is forgotten"),
});
const revoked = { jti: "4f1c", revoked_at: 1_764_000_000, expires_at: 1_766_592_000 };

export const TOKEN_OPERATIONS: readonly Operation[] = [
  {
    method: "post",
    path: "/api/v1/tokens/revoke",
    id: "revokeTokens",
    tag: "Tokens",
    summary: "Revokes one token by its `jti`, or all tokens of a subject issued until now",
    description:
      "Takes effect on all instances within 2 seconds. Streams of such tokens end with `goodbye`.",
    body: { schema: revokeSchema, example: { jti: "4f1c" } },
    answers: {
      200: { description: "The revocation", schema: revokedSchema, example: revoked },
    },
    problems: { 409: ["too_many_revocations"], 503: ["store_away"] },
  },
  {
    method: "get",
    path: "/api/v1/tokens/revoked",
    id: "revokedTokens",
    tag: "Tokens",
    summary: "Lists the revocations that have not expired",
    answers: {
      200: {
        description: "All revocations",
        schema: z.object({ revoked: z.array(revokedSchema) }),
        example: { revoked: [revoked] },
      },
    },
  },
];
