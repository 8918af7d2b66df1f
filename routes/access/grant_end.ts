/** Watches for the end of a token's grant while its connection is open. */

import type { Revocations } from "../../broker/cluster/revocations.ts";
import type { Grant } from "./tokens.ts";

/** The longest time that a timer can be set for. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const nothing = () => {};

/**
 * Calls `end` once, when the token expires or is revoked; returns a function that stops waiting.
 */
export function onGrantEnd(
  grant: Grant,
  revocations: Revocations,
  end: (reason: "token_expired" | "token_revoked") => void,
): () => void {
  const { tokenId, subject, expiresAt } = grant;
  if (tokenId === undefined && subject === undefined && expiresAt === undefined) return nothing;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    clearTimeout(timer);
    forget();
  };
  const finish = (reason: "token_expired" | "token_revoked") => {
    stop();
    end(reason);
  };
  const wait = (expiresAt: number) => {
    const left = expiresAt - Date.now();
    timer = setTimeout(
      () => left > MAX_TIMER_MS ? wait(expiresAt) : finish("token_expired"),
      Math.min(left, MAX_TIMER_MS),
    );
  };
  const forget = revocations.onChange(() => {
    if (revocations.isRevoked(grant)) finish("token_revoked");
  });
  if (expiresAt !== undefined) wait(expiresAt);
  // It may have been revoked between the check of the token and now.
  if (revocations.isRevoked(grant)) finish("token_revoked");
  return stop;
}
