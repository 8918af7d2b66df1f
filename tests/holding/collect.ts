/**
 * Runs inside the program, before it (`deno run --v8-flags=--expose-gc --preload`): SIGUSR2 collects
 * what the main thread no longer uses, and says so. Without it V8 waits for minutes, and memory that
 * is free could not be told from memory that is held.
 */

if (!("importScripts" in globalThis)) {
  Deno.addSignalListener("SIGUSR2", () => {
    (globalThis as unknown as { gc(): void }).gc();
    Deno.stdout.writeSync(new TextEncoder().encode("collected\n"));
  });
}
