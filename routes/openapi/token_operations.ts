/** Taking tokens back. */

import { z } from "zod";
import { revokeSchema } from "../api/revocation.ts";
import type { Operation } from "./operation.ts";

const seconds = z.int().describe("Seconds since 1970");
const revokedSchema = z.object({
  jti: z.string().optional().describe("One token"),
  sub: z.string().optional().describe("All of a subject that were issued up to `revoked_at`"),
  revoked_at: seconds,
  expires_at: seconds.describe("Forgotten from then on"),
});
const revoked = { jti: "4f1c", revoked_at: 1_764_000_000, expires_at: 1_766_592_000 };

export const TOKEN_OPERATIONS: readonly Operation[] = [
  {
    method: "post",
    path: "/api/v1/tokens/revoke",
    id: "revokeTokens",
    tag: "Tokens",
    summary: "Takes back one token by its `jti`, or all of a subject that were issued up to now",
    description: "On every instance within two seconds; streams that use one end with `goodbye`.",
    body: { schema: revokeSchema, example: { jti: "4f1c" } },
    answers: {
      200: { description: "It is no longer good", schema: revokedSchema, example: revoked },
    },
    problems: { 409: ["too_many_revocations"], 503: ["store_away"] },
  },
  {
    method: "get",
    path: "/api/v1/tokens/revoked",
    id: "revokedTokens",
    tag: "Tokens",
    summary: "What was taken back, and has not expired by itself",
    answers: {
      200: {
        description: "All of them",
        schema: z.object({ revoked: z.array(revokedSchema) }),
        example: { revoked: [revoked] },
      },
    },
  },
];
