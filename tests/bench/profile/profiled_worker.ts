/** Runs a worker of the program together with a profiler; see profiled.ts. */

import { CONTROL, Profiler } from "./profiler.ts";

const query = new URL(import.meta.url).searchParams;
const profiler = new Profiler(`${query.get("folder")}/${query.get("name")}.cpuprofile`);
new BroadcastChannel(CONTROL).onmessage = ({ data }) =>
  void (data === "start" ? profiler.start() : profiler.stop());
await import(query.get("module")!);
