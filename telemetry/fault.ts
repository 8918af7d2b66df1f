/** Errors that only a bug in our own code can cause: logged and contained. */

import { getLogger } from "./log.ts";
import { Fault } from "./log_text.ts";

const log = getLogger("fault");

/**
 * Logs an error with its stack and causes; `what` says what failed, as a fixed text. For expected
 * failures, use `reasonOf()`.
 */
export function logFault(what: string, error: unknown): void {
  log.error(`${what}: {fault}`, { fault: Fault.of(error) });
}

/** Calls `work`; if it throws, logs the error and returns false. */
export function attempt(what: string, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    logFault(what, error);
    return false;
  }
}

/** Ends the thread or program because of an error that is already in the log. */
class CrashError extends Error {
  override readonly name = "CrashError";
}

/**
 * Logs the uncaught errors of this thread, which then ends as usual. Otherwise Deno would print
 * them outside of the log, including URLs.
 */
export function logCrashes(): void {
  const report = (event: Event, error: unknown) => {
    if (error instanceof CrashError) return;
    event.preventDefault();
    logFault("uncaught error", error);
    setTimeout(() => {
      throw new CrashError("ended by an uncaught error, see the log");
    });
  };
  addEventListener("error", (event) => report(event, event.error));
  addEventListener("unhandledrejection", (event) => report(event, event.reason));
}
