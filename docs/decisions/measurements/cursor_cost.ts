/**
 * What a cursor costs to make and to check.
 * deno run docs/decisions/measurements/cursor_cost.ts
 */

import { Epoch, parseCursor } from "../../../broker/messages/message.ts";

const COUNT = 1_000_000;
const epoch = Epoch.random();
const cursors: string[] = [];
const nsEach = (work: (i: number) => void) => {
  const start = performance.now();
  for (let i = 0; i < COUNT; i++) work(i);
  return Math.round((performance.now() - start) / COUNT * 1e6);
};
const first = 2 ** 40;
for (let i = 0; i < COUNT; i++) epoch.cursor(first - 1 - i);
const make = nsEach((i) => cursors.push(epoch.cursor(first + i)));
const check = nsEach((i) => parseCursor(cursors[i]!));
let accepted = 0;
for (let i = 0; i < COUNT; i++) {
  const cursor = cursors[i]!;
  const at = 11 + i % (cursor.length - 11);
  const other = cursor[at] === "7" ? "8" : "7";
  const changed = cursor.slice(0, at) + other + cursor.slice(at + 1);
  if (changed !== cursor && parseCursor(changed)) accepted++;
}
await Deno.stdout.write(new TextEncoder().encode(
  `${
    cursors[0]!.length
  } characters; made in ${make} ns, checked in ${check} ns; of ${COUNT} with ` +
    `one character changed ${accepted} were taken\n`,
));
