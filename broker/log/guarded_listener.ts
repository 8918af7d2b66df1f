/** Keeps what a listener throws from the log that tells it. */

import { attempt } from "../../telemetry/fault.ts";
import type { FanoutListener } from "./fanout.ts";

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
