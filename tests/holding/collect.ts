/**
 * Preloaded into the program (`deno run --v8-flags=--expose-gc --preload`): on SIGUSR2, the main
 * thread collects its garbage and prints `collected` and the bytes in use. By itself V8 waits for minutes, so free
 * memory could not be distinguished from memory that is held.
 */

if (!("importScripts" in globalThis)) {
  Deno.addSignalListener("SIGUSR2", () => {
    (globalThis as unknown as { gc(): void }).gc();
    const { heapUsed, external } = Deno.memoryUsage();
    Deno.stdout.writeSync(new TextEncoder().encode(`collected ${heapUsed + external}\n`));
  });
}
