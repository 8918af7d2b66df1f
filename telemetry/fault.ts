/** Errors that only a mistake in our own code can cause: logged, and kept from everything else. */

import { getLogger } from "./log.ts";
import { Fault } from "./log_text.ts";

const log = getLogger("fault");

/**
 * Logs an error with its stack and causes; `what` says what failed, in words of the code. For
 * failures that are expected there is `reasonOf()`.
 */
export function logFault(what: string, error: unknown): void {
  log.error(`${what}: {fault}`, { fault: Fault.of(error) });
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

/** The thread or program ends by an error that is in the log already. */
class CrashError extends Error {
  override readonly name = "CrashError";
}

/**
 * Logs what nothing catches in this thread, which then ends as it would: left alone, Deno prints it
 * past the log, URLs and all.
 */
export function logCrashes(): void {
  const report = (event: Event, error: unknown) => {
    if (error instanceof CrashError) return;
    event.preventDefault();
    logFault("an error that nothing caught", error);
    setTimeout(() => {
      throw new CrashError("ended by an error that nothing caught; the log has it");
    });
  };
  addEventListener("error", (event) => report(event, event.error));
  addEventListener("unhandledrejection", (event) => report(event, event.reason));
}
