/** Properties over many inputs, from a seed that every run prints. */

import fc from "fast-check";
import { say } from "../kit/say.ts";

const TIMES = Number(Deno.env.get("FUZZ_TIMES") ?? 1);
const SEED = Number(Deno.env.get("FUZZ_SEED") ?? Date.now() % 2 ** 31);

/**
 * A test that checks a property `runs` times; FUZZ_TIMES=100 multiplies that by 100, and FUZZ_SEED
 * repeats a run.
 */
export function fuzz(title: string, runs: number, hold: (options: Options) => Promise<void>): void {
  Deno.test(title, async () => {
    say(`FUZZ_SEED=${SEED}`);
    await hold({ seed: SEED, numRuns: runs * TIMES, endOnFailure: TIMES > 1 });
  });
}

export type Options = fc.Parameters<unknown> & { readonly numRuns: number };

/** Text that tends to break parsers. */
export const nasty = (maxLength = 200): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ maxLength, unit: "binary" }),
    fc.string({ maxLength, unit: "grapheme-ascii" }),
    fc.constantFrom(
      ...["", " ", "*", "**", "A*", ",", ",,", "null", "NaN", "-1", "1e9", "0x10", "%", "%00"],
      ...["\0", "\r\n", "../", "__proto__", "constructor", "\ud800", "ñ", "\ufeff", "A\u200b"],
      ...["true", "1", "0", "99999999999999999999", "[]", "{}", "'", '"', "<script>", "${x}"],
    ),
    fc.array(fc.constantFrom("A", "B", "p", "*", ",", " ", "%", "-", "1"), { maxLength: 12 })
      .map((parts) => parts.join("")),
  );

/** Text that is valid in a header. */
export const headerText = (maxLength = 100): fc.Arbitrary<string> =>
  nasty(maxLength).map((text) => text.replace(/[^\x20-\x7e\x80-\xff]/g, "").trim());

export const someBytes = (maxLength = 400): fc.Arbitrary<Uint8Array<ArrayBuffer>> =>
  fc.uint8Array({ maxLength }).map((bytes) => new Uint8Array(bytes));
