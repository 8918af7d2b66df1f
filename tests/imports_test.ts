/** Imports between folders only go down; CONTRIBUTING.md shows the tree. */

import assert from "node:assert/strict";
import { dirname, join } from "node:path/posix";
import { walk } from "./docs/walk.ts";

/** From the top down; folders on one line do not import each other. */
const FLOORS = `
  main.ts serve.ts
  mod.ts
  server
  server/guard
  program.ts
  routes
  routes/pages
  routes/pages/docs
  routes/openapi
  routes/reports
  routes/api
  routes/streams
  routes/access
  routes/http
  ingest
  ingest/aws_iot
  ingest/mqtt ingest/kafka ingest/websocket ingest/demo
  ingest/runtime
  ingest/messages
  ingest/messages/botonera
  broker/deliveries broker/cluster broker/streams
  broker/log
  broker/store
  broker/messages
  telemetry
  config
  routes/pages/live routes/pages/ops
  routes/pages/live/map
  routes/pages/live/fleet
  routes/pages/shared
  client
  lib
`.trim().split("\n").map((line) => line.trim().split(" "));

const PROGRAMS = ["main.ts", "serve.ts", "mod.ts", "program.ts"];
const FOLDERS = ["server", "routes", "ingest", "broker", "telemetry", "config", "client", "lib"];
const MAX_LINES = 350;
const MAX_FILES = 25;
const IMPORT = /(?:\bfrom|\bimport|\bimport\()\s*"(\.{1,2}\/[^"]+\.ts)"/g;

/** The text of every file with code, by its path. */
async function sources(): Promise<ReadonlyMap<string, string>> {
  const paths = [...PROGRAMS];
  for (const folder of FOLDERS) paths.push(...await walk(folder, ".ts"));
  return await textOf(paths);
}

async function textOf(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  return new Map(
    await Promise.all(
      paths.map(async (path) =>
        [path, await Deno.readTextFile(new URL(`../${path}`, import.meta.url))] as const
      ),
    ),
  );
}

/** A file's folder, or the file itself if it is a program in the root. */
const roomOf = (path: string) => path.includes("/") ? dirname(path) : path;
const floorOf = (room: string) => FLOORS.findIndex((rooms) => rooms.includes(room));

Deno.test("imports go down: no folder imports one above it, or one on the same line", async () => {
  const wrong: string[] = [];
  for (const [path, text] of await sources()) {
    for (const [, target] of text.matchAll(IMPORT)) {
      const imported = join(dirname(path), target!);
      const [from, to] = [roomOf(path), roomOf(imported)];
      if (from !== to && floorOf(from) >= floorOf(to)) wrong.push(`${path} imports ${imported}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("no file imports itself through others", async () => {
  const files = await sources();
  const imported = (path: string) =>
    [...files.get(path)!.matchAll(IMPORT)].map(([, target]) => join(dirname(path), target!))
      .filter((target) => files.has(target));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(" → "));
    if (done.has(path) || way.includes(path)) return;
    for (const target of imported(path)) visit(target, [...way, path]);
    done.add(path);
  };
  for (const path of files.keys()) visit(path, []);
  assert.deepEqual(circles, []);
});

Deno.test("every folder with code has a floor, and the root has only the four programs", async () => {
  const rooms = new Set([...await sources()].map(([path]) => roomOf(path)));
  assert.deepEqual([...rooms].filter((room) => floorOf(room) < 0), []);
  const inRoot: string[] = [];
  for await (const { name } of Deno.readDir(new URL("../", import.meta.url))) {
    if (name.endsWith(".ts")) inRoot.push(name);
  }
  assert.deepEqual(inRoot.sort(), PROGRAMS.toSorted());
});

Deno.test(`no file is over ${MAX_LINES} lines, and no folder holds more than ${MAX_FILES} files`, async () => {
  const files = new Map([...await sources(), ...await textOf(await walk("tests", ".ts"))]);
  const long = [...files].filter(([, text]) => text.trimEnd().split("\n").length > MAX_LINES);
  assert.deepEqual(long.map(([path]) => path), []);
  const byRoom = Map.groupBy(files.keys(), roomOf);
  assert.deepEqual([...byRoom].filter(([, paths]) => paths.length > MAX_FILES), []);
});
