/** Rows of the table of results, and checks of the results. */

import type { HoldResult } from "./hold.ts";
import { KINDS } from "./kinds.ts";

const MIB = 1024 * 1024;
const MAX_P99_MS = 50;
const MAX_LEFT = 1.1;

export const TABLE_HEAD: readonly string[] = [
  "| kind | objects before → after, MiB | process fresh → after a first round → peak → after, MiB | half closed, all closed | p50 / p99 before → during, ms | cores | lost | freed after |",
  "| --- | --- | --- | --- | --- | --- | --- | --- |",
];

export function rowOf(kind: string, result: HoldResult): string {
  const { before, during, holders } = result;
  const mib = (bytes: number) => Math.round(bytes / MIB);
  const { fresh, heldBefore, heldAfter } = result;
  const used = [heldBefore.used, heldAfter.used].map(mib).join(" → ");
  const resident = [fresh.resident, heldBefore.resident, result.bytesDuring, heldAfter.resident]
    .map(mib).join(" → ");
  const seconds = (value: number | undefined) =>
    value === undefined ? "never" : `${value.toFixed(0)} s`;
  const closed = holders.ended > 2 * holders.open && holders.ended > 0
    ? `each after ${holders.median.toFixed(1)} s, ${holders.longest.toFixed(1)} s at most`
    : `${seconds(result.halfGoneSeconds)}, ${seconds(result.allGoneSeconds)}`;
  return `| ${
    [
      KINDS[kind]?.title ?? kind,
      used,
      resident,
      closed,
      `${before.p50} / ${before.p99} → ${during.p50} / ${during.p99}`,
      `${result.coresBefore.toFixed(2)} → ${result.coresDuring.toFixed(2)}`,
      String(lostOf(result)),
      seconds(result.freedSeconds),
    ].join(" | ")
  } |`;
}

export function lostOf({ before, during, after }: HoldResult): number {
  return before.lost + during.lost + after.lost;
}

/** The checks that failed, one line each. */
export function faultsOf(kind: string, result: HoldResult): string[] {
  const { during, after, holders } = result;
  const faults: string[] = [];
  const lost = lostOf(result);
  if (lost !== 0) faults.push(`lost ${lost}`);
  if (during.closed + after.closed > 0) faults.push(`${after.closed} good clients were closed`);
  if (during.p99 > MAX_P99_MS) faults.push(`p99 ${during.p99} ms`);
  for (const kind of ["used", "resident"] as const) {
    const share = result.heldAfter[kind] / result.heldBefore[kind];
    if (share > MAX_LEFT) {
      faults.push(`${kind} memory stays ${Math.round(share * 100 - 100)} % above its level before`);
    }
  }
  if (result.freedSeconds === undefined) {
    faults.push(`${result.placesTaken} slots and ${result.descriptorsTaken} sockets stay taken`);
  }
  const { opened, sent, cycles } = holders;
  if (opened === 0 || sent + cycles === 0 && kind !== "silent") {
    faults.push("the clients did nothing, so nothing was measured");
  }
  return faults;
}
