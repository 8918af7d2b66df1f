/**
 * Holds up the program with 1,000 clients of each kind for a minute, next to 100 well-behaved ones,
 * and prints what that cost: the results in docs/security.md.
 *
 *     deno task hold                                  every kind
 *     deno task hold --kinds=ping-flood,half-frame
 *     deno task hold --clients=100 --seconds=10 --env=WEB_CONCURRENCY=2 --tls
 *
 * The settings are the defaults except for a short retention: a growing log must not count as
 * memory of clients. Exits with 1 if a well-behaved client lost a message, or if latency, memory or
 * slots are outside their limits.
 */

import { say } from "../kit/say.ts";
import { buildClients, hold } from "./hold.ts";
import { KINDS } from "./kinds.ts";
import { faultsOf, rowOf, TABLE_HEAD } from "./report.ts";

const RETENTION_SECONDS = "10";

interface Options {
  kinds: readonly string[];
  clients: number;
  seconds: number;
  good: number;
  rate: number;
  tls: boolean;
  env: Record<string, string>;
  json: string | undefined;
}

if (import.meta.main) {
  const options = optionsOf(Deno.args);
  Deno.exit(options ? await main(options) : 2);
}

async function main(options: Options): Promise<number> {
  await buildClients();
  const rows: string[] = [];
  let failed = false;
  for (const kind of options.kinds) {
    const result = await hold({
      kind,
      clients: options.clients,
      seconds: options.seconds,
      good: options.good,
      perSecond: options.rate,
      warmUpSeconds: 5,
      rehearsalSeconds: 5,
      beforeSeconds: 5,
      afterSeconds: 3,
      devices: KINDS[kind]!.devices ?? options.good,
      bytes: KINDS[kind]!.bytes,
      tls: options.tls || (KINDS[kind]!.tls ?? false),
      env: { RETENTION_SECONDS, ...options.env },
    });
    if (options.json) {
      const line = JSON.stringify({ kind, ...result }) + "\n";
      await Deno.writeTextFile(options.json, line, { append: true });
    }
    rows.push(rowOf(kind, result));
    say(rows.at(-1)!);
    for (const fault of faultsOf(kind, result)) {
      failed = true;
      say(`  FAILED: ${fault}`);
    }
  }
  say([...TABLE_HEAD, ...rows].join("\n"));
  return failed ? 1 : 0;
}

function optionsOf(args: readonly string[]): Options | undefined {
  const options: Options = {
    kinds: Object.keys(KINDS),
    clients: 1_000,
    seconds: 60,
    good: 100,
    rate: 500,
    tls: false,
    env: {},
    json: undefined,
  };
  for (const arg of args) {
    const [, name, value] = /^--([a-z]+)=(.+)$/.exec(arg) ?? [];
    if (arg === "--tls") options.tls = true;
    else if (name === "kinds") options.kinds = value!.split(",");
    else if (name === "env") options.env[value!.split("=")[0]!] = value!.split("=")[1]!;
    else if (name === "json") options.json = value;
    else if (name === "clients" || name === "seconds" || name === "good" || name === "rate") {
      options[name] = Number(value);
    } else {
      say(
        "Flags: --kinds=a,b --clients=1000 --seconds=60 --good=100 --rate=500 --tls --env=NAME=VALUE",
      );
      return undefined;
    }
  }
  const unknown = options.kinds.filter((kind) => !(kind in KINDS));
  if (unknown.length === 0) return options;
  say(`Unknown kinds: ${unknown.join(", ")}. Known kinds: ${Object.keys(KINDS).join(", ")}`);
  return undefined;
}
