/** Keeps a listener's exceptions away from the log that calls it. */

import { attempt } from "../../telemetry/fault.ts";
import type { FanoutListener } from "./fanout.ts";

/** The same listener; its exceptions are logged, since they say nothing about the store. */
export function guarded(listener: FanoutListener): FanoutListener {
  return {
    onPublications: (batch) =>
      void attempt("publications could not be delivered", () => listener.onPublications(batch)),
    onReset: (reason) =>
      void attempt("a reset of the log could not be reported", () => listener.onReset(reason)),
    onState: (state) =>
      void attempt("a state of the store could not be reported", () => listener.onState?.(state)),
  };
}
