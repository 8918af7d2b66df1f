/** Heap use of this process, without garbage. */

import v8 from "node:v8";
import vm from "node:vm";

v8.setFlagsFromString("--expose-gc");
const gc = vm.runInNewContext("gc") as () => void;

/** Bytes in use after a collection. */
export async function heapBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    gc();
    // Objects finalized by one collection are freed by the next one.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return Deno.memoryUsage().heapUsed;
}
