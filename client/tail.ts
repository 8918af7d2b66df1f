/** Prints the messages of devices as they arrive: `deno task tail 0848086072 0848086073`. */

import { Telecast } from "./telecast.ts";

const USAGE = `Usage: deno task tail [--url=URL] [--token=TOKEN] [--snapshot] DEVICE_ID...

Prints one line of JSON for each message of the devices; a prefix ends in *, and * is every device.
The default URL is http://127.0.0.1:8000.
`;

/** Returns 0 after Ctrl-C, 1 if the server refuses, 2 if the arguments are wrong. */
async function tail(words: string[]): Promise<number> {
  const ids = words.filter((word) => !word.startsWith("--"));
  const flags = new Map(
    words.filter((word) => word.startsWith("--")).map((word) => {
      const [name, ...value] = word.slice(2).split("=");
      return [name!, value.join("=")] as const;
    }),
  );
  const unknown = [...flags.keys()].some((name) => !["url", "token", "snapshot"].includes(name));
  if (ids.length === 0 || unknown) {
    write(Deno.stderr, USAGE);
    return 2;
  }
  const token = flags.get("token");
  await using client = new Telecast(flags.get("url") ?? "http://127.0.0.1:8000", {
    deviceIds: ids,
    snapshot: flags.has("snapshot"),
    ...(token ? { token } : {}),
  });
  Deno.addSignalListener("SIGINT", () => void client.close());
  client.on("state", (state) => {
    const why = "reason" in state ? `: ${state.reason}` : "";
    if (state.state !== "open") write(Deno.stderr, `# ${state.state}${why}\n`);
  });
  client.on(
    "dropped",
    ({ deviceId, count }) =>
      write(Deno.stderr, `# ${count} messages of ${deviceId} were dropped: this reader is slow\n`),
  );
  try {
    for await (const { data } of client) print(data);
    return 0;
  } catch (error) {
    write(Deno.stderr, `tail: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

function print(data: unknown): void {
  write(Deno.stdout, JSON.stringify(data) + "\n");
}

function write(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
}

if (import.meta.main) Deno.exit(await tail(Deno.args.filter((word) => word !== "--")));
