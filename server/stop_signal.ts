/** The first stop signal. Imported before all else, so that none is missed while the rest loads. */

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
 * Calls `stop` in the turn of the event loop in which the signal arrives, before the runtime closes
 * sockets, or now if it has arrived already.
 */
export function onStopSignal(stop: () => void): void {
  listener = stop;
  if (told) stop();
}
