/** Errors that only a mistake in our own code can cause: logged, and kept from everything else. */

import { getLogger, logFault as logFaultOf } from "./log.ts";
import type { FanoutListener } from "../broker/log/fanout.ts";

const log = getLogger("broker");

/** Logs an error with its stack and causes, at a bounded rate; `what` says what failed. */
export function logFault(what: string, error: unknown): void {
  logFaultOf(log, what, error);
}

/** Calls `work`; where it throws, logs that and returns false. */
export function attempt(what: string, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    logFault(what, error);
    return false;
  }
}

/** The same listener; what it throws is logged, since it says nothing about the store. */
export function guarded(listener: FanoutListener): FanoutListener {
  return {
    onPublications: (batch) =>
      void attempt("publications could not be handed out", () => listener.onPublications(batch)),
    onReset: (reason) =>
      void attempt("a reset of the log could not be told", () => listener.onReset(reason)),
    onState: (state) =>
      void attempt("a state of the store could not be told", () => listener.onState?.(state)),
  };
}
