/** Whatever publishers, clients, networks and instances do, each client sees what it must. */

import fc from "fast-check";
import { Client, type ClientPlan } from "./client.ts";
import { DEVICES, Site } from "./site.ts";

/** How many sequences of events are tried; if set, different ones each time. */
const RUNS = Deno.env.get("PROPERTY_RUNS");
/** `seed` or `seed/path` of a failure, to reproduce it; failures print both. */
const [SEED = RUNS ? undefined : "1", PATH] = Deno.env.get("PROPERTY_SEED")?.split("/") ?? [];

const CLIENTS = 4;

const plan: fc.Arbitrary<ClientPlan> = fc.record({
  server: fc.constantFrom("server", "server", "fallback"),
  transport: fc.constantFrom("ws", "ws", "sse"),
  mode: fc.constantFrom("all", "all", "batch", "latest", "rate"),
  deviceIds: fc.constantFrom("*", "A", "B*", "A,B1", "B1,C,D"),
  snapshot: fc.boolean(),
  eager: fc.boolean(),
  since: fc.constantFrom("none", "none", "start", "garbage", "ahead", "foreign"),
});

const index = fc.nat(11);
/** What happens next; numbers name a client, an instance or a device, modulo their count. */
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("publish"), at: index, devices: fc.nat(31) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("connect"), client: index, at: index }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cut"), client: index }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("read"), client: index, frames: fc.nat(12) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("subscribe"),
      client: index,
      device: index,
      since: fc.constantFrom("none", "last", "start", "garbage"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("unsubscribe"), client: index, device: index }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.constantFrom(1, 5, 60, 400, 3_000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("kill", "drain"), at: index }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

const course = fc.record({
  options: fc.record({
    seed: fc.nat(),
    instances: fc.integer({ min: 1, max: 3 }),
    retentionMs: fc.constantFrom(1_500, 60_000),
    recentMaxBytes: fc.constantFrom(500, 2_000, 1_000_000),
  }),
  plans: fc.array(plan, { minLength: 1, maxLength: CLIENTS }),
  actions: fc.array(action, { minLength: 5, maxLength: 60 }),
});
type Course = typeof course extends fc.Arbitrary<infer T> ? T : never;

/** Returns the errors of a run; normally none. */
async function run({ options, plans, actions }: Course): Promise<readonly string[]> {
  using site = new Site(options);
  const { findings, instances } = site;
  await site.until(() => instances.every(({ serving }) => serving));
  const clients = plans.map((plan) => new Client(site, plan));
  clients.forEach((client, i) => client.connect(instances[i % instances.length]!));
  for (const action of actions) {
    perform(site, clients, action);
    await site.pass(action.do === "pass" ? action.ms : 2);
    if (findings.any) return findings.list;
  }
  await settle(site, clients);
  for (const client of clients) if (!findings.any) client.expectation.checkEnd();
  return findings.list;
}

function perform(site: Site, clients: readonly Client[], action: Action): void {
  const { instances } = site;
  const client = () => clients["client" in action ? action.client % clients.length : 0]!;
  const at = "at" in action ? action.at % instances.length : 0;
  const instance = instances[at]!;
  switch (action.do) {
    case "publish":
      return void site.publish(instance, DEVICES.filter((_, i) => action.devices & 1 << i));
    case "connect":
      return client().connect(instance);
    case "cut":
      return client().cut();
    case "read":
      return client().read(action.frames);
    case "subscribe": {
      const since = {
        none: undefined,
        last: client().expectation.lastId,
        start: site.epoch.cursor(0),
        garbage: "garbage",
      }[action.since];
      return client().command({ action: action.do, deviceIds: [named(action.device)], since });
    }
    case "unsubscribe":
      return client().command({ action: action.do, deviceIds: [named(action.device)] });
    case "kill":
    case "drain":
      instance[action.do]();
      return site.replace(at);
  }
}

const named = (i: number) => [...DEVICES, "B*"][i % (DEVICES.length + 1)]!;

/** Every client is connected and reads; the last messages arrive, and nothing after them. */
async function settle(site: Site, clients: readonly Client[]): Promise<void> {
  const { instances } = site;
  await site.until(() => instances.every(({ serving }) => serving));
  for (const client of clients) client.readAtOnce();
  const connected = () => {
    for (const client of clients) client.connect(instances[0]!);
    return clients.every((client) => client.connected);
  };
  await site.until(connected);
  void site.publish(instances[0]!, DEVICES);
  // Messages of instances that are gone arrive, and pings, and anything that should not.
  await site.pass(1_500);
  await site.until(() =>
    instances.every(({ fanout }) => fanout.pending === 0) &&
    clients.every(({ expectation }) => expectation.isComplete)
  );
  await site.pass(1_000);
}

Deno.test("every client sees what it must, whatever happens to networks and instances", async () => {
  const property = fc.asyncProperty(course, async (course) => {
    const findings = await run(course);
    if (findings.length > 0) throw new Error(findings.slice(0, 3).join("\n"));
  });
  await fc.assert(property, {
    numRuns: Number(RUNS ?? 300),
    ...(SEED ? { seed: Number(SEED) } : {}),
    ...(PATH ? { path: PATH } : {}),
  });
});
