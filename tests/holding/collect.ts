/**
 * Preloaded into the program (`deno run --v8-flags=--expose-gc --preload`): on SIGUSR2, the main
 * thread collects its garbage and prints `collected` and the bytes in use. By itself V8 waits for minutes, so free
 * memory could not be distinguished from memory that is held.
 */

if (!("importScripts" in globalThis)) {
  Deno.addSignalListener("SIGUSR2", () => {
    const { gc } = globalThis as unknown as { gc(): void };
    // What the first one finalizes, the second one frees.
    for (let time = 0; time < 3; time++) gc();
    const { heapUsed, external } = Deno.memoryUsage();
    Deno.stdout.writeSync(new TextEncoder().encode(`collected ${heapUsed + external}\n`));
  });
}
