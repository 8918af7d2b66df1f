/** The first signal to end. Imported before all else: none is missed while the rest is loaded. */

let told = false;
let listener: (() => void) | undefined;

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    if (told) return;
    told = true;
    listener?.();
  });
}

/**
 * Calls `stop` in the turn in which the signal comes, before the runtime itself closes sockets, or
 * at once where it has come already.
 */
export function onStopSignal(stop: () => void): void {
  listener = stop;
  if (told) stop();
}
