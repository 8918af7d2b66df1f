/** Limits at their default times, over real sockets; only the clock is virtual. */

import assert from "node:assert/strict";
import { configOf } from "../kit/config.ts";
import { connect } from "../kit/clients/connect.ts";
import { PATIENCE_MS } from "../kit/patience.ts";
import { frame, HANDSHAKE } from "../routes/raw.ts";
import { Rig } from "../routes/rig.ts";
import { VirtualTime } from "./virtual_time.ts";

const { keepaliveSeconds, limits: { handshakeSeconds, writeSeconds } } = configOf();
/** Between two protocol pings, and between two comments: proxies wait for 60 s. */
const BEAT_SECONDS = 20;
/** A check runs once a second, so an event is seen within a second. */
const LOOK_MS = 1_000;
const STREAM = "/api/v1/stream?device_ids=A";
/** Real time, independent of the program's. */
const realTimeout = globalThis.setTimeout;
const realNow = performance.now.bind(performance);

/** A server with its defaults, in virtual time. */
async function inVirtualTime(run: (rig: Rig, time: VirtualTime) => Promise<void>): Promise<void> {
  using time = new VirtualTime();
  await using rig = await Rig.start();
  await run(rig, time);
}

/** Waits for the network while the program's clock stands still. */
async function arrives(what: string, check: () => boolean): Promise<void> {
  for (const start = realNow(); !check();) {
    if (realNow() - start > PATIENCE_MS) throw new Error(`${what}: did not arrive`);
    await new Promise((resolve) => realTimeout(resolve, 1));
  }
}

/** A raw client that reads everything, unless told not to. */
class Client implements Disposable {
  text = "";
  isEnded = false;

  private constructor(private readonly conn: Deno.Conn) {}

  static async open(rig: Rig, lines: readonly string[], { reads = true } = {}): Promise<Client> {
    const client = new Client(await connect(rig.address));
    if (reads) void client.#read();
    if (lines.length > 0) await client.send(new TextEncoder().encode(lines.join("\r\n")));
    return client;
  }

  async send(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.conn.write(bytes.subarray(sent));
  }

  /** How often `part` was received. */
  count(part: string): number {
    return this.text.split(part).length - 1;
  }

  [Symbol.dispose](): void {
    this.conn.close();
  }

  async #read(): Promise<void> {
    const bytes = new Uint8Array(8_192);
    for (;;) {
      const count = await this.conn.read(bytes).catch(() => null);
      if (count === null) break;
      // One character for each byte.
      this.text += String.fromCharCode(...bytes.subarray(0, count));
    }
    this.isEnded = true;
  }
}

const handshake = [`GET ${STREAM} HTTP/1.1`, "Host: a", ...HANDSHAKE, "", ""];
const events = [`GET ${STREAM} HTTP/1.1`, "Host: a", "", ""];

Deno.test("by default a quiet WebSocket gets a ping every 20 s, and is closed if it does not answer one", async () => {
  await inVirtualTime(async (rig, time) => {
    using client = await Client.open(rig, handshake);
    await arrives("the session", () => rig.hub.sessions.size === 1);
    const pings = () => client.count("\x89\x00");
    for (let n = 1; n <= 5; n++) {
      await time.pass(BEAT_SECONDS * 1000 - LOOK_MS);
      // The pong follows everything sent before it.
      await client.send(frame(`echo ${n}`, { opcode: 9 }));
      await arrives("the pong", () => client.text.includes(`echo ${n}`));
      assert.equal(pings(), n - 1);
      await time.pass(LOOK_MS);
      await arrives(`ping ${n}`, () => pings() === n);
    }
    await time.pass(BEAT_SECONDS * 1000 - LOOK_MS);
    assert.equal(rig.hub.sessions.size, 1);
    await time.pass(LOOK_MS);
    await arrives("the end", () => client.isEnded);
    assert.equal(pings(), 5);
    assert.equal(rig.hub.sessions.size, 0);
  });
});

Deno.test("100 errors a minute are tolerated, one more closes the WebSocket", async () => {
  await inVirtualTime(async (rig, time) => {
    using client = await Client.open(rig, handshake);
    await arrives("the session", () => rig.hub.sessions.size === 1);
    const errors = () => client.count('"code":"bad_json"');
    for (let minute = 1; minute <= 3; minute++) {
      for (let i = 0; i < 100; i++) await client.send(frame("nonsense"));
      await arrives("100 errors", () => errors() === 100 * minute);
      for (let beat = 0; beat < 3; beat++) {
        await time.pass(BEAT_SECONDS * 1000);
        await client.send(frame("", { opcode: 10 }));
      }
      assert.equal(rig.hub.sessions.size, 1);
    }
    for (let i = 0; i < 101; i++) await client.send(frame("nonsense"));
    await arrives("the close", () => client.text.includes("\x03\xf0"));
    assert.equal(rig.hub.sessions.size, 0);
  });
});

Deno.test("by default a quiet event stream gets a comment every 20 s, and a ping every 60 s", async () => {
  await inVirtualTime(async (rig, time) => {
    using client = await Client.open(rig, events);
    await arrives("the session", () => rig.hub.sessions.size === 1);
    for (let minute = 1; minute <= 3; minute++) {
      for (let beat = 1; beat <= 3; beat++) {
        await time.pass(BEAT_SECONDS * 1000);
        const comments = (minute - 1) * 3 + beat;
        await arrives(`comment ${comments}`, () => client.count("\n:") === comments);
      }
      // The stream starts with one.
      await arrives("the ping", () => client.count("event: ping") === 1 + minute);
    }
    assert.equal(keepaliveSeconds, 60);
  });
});

Deno.test("by default a client that has not sent its request after 10 s is closed", async () => {
  await inVirtualTime(async (rig, time) => {
    using silent = await Client.open(rig, []);
    using half = await Client.open(rig, events.slice(0, 2));
    assert.equal(handshakeSeconds, 10);
    await time.pass(handshakeSeconds * 1000 - 1);
    await half.send(new TextEncoder().encode("Accept: text/"));
    assert.deepEqual([silent.isEnded, half.isEnded], [false, false]);
    await time.pass(2);
    await arrives("their ends", () => silent.isEnded && half.isEnded);
    assert.equal(silent.text + half.text, "");
  });
});

for (const [transport, lines] of [["ws", handshake], ["sse", events]] as const) {
  Deno.test(`${transport}: by default a client that reads nothing is closed after 60 s, although a ping is sent as often`, async () => {
    await inVirtualTime(async (rig, time) => {
      assert.deepEqual([writeSeconds, keepaliveSeconds], [60, 60]);
      using _client = await Client.open(rig, lines, { reads: false });
      await arrives("the session", () => rig.hub.sessions.size === 1);
      const [session] = rig.hub.sessions;
      const payload = JSON.stringify({ filler: "x".repeat(60_000) });
      for (let taken = -1; !session!.sink.full || taken !== session!.sink.taken;) {
        taken = session!.sink.taken;
        for (let i = 0; i < 40; i++) rig.publish("A", payload);
        await new Promise((resolve) => realTimeout(resolve, 20));
        await time.pass(10);
      }
      await time.pass((writeSeconds - 1) * 1000);
      // A WebSocket that answers no protocol ping is closed earlier.
      if (transport === "sse") assert.equal(session!.closed, false);
      await time.pass((writeSeconds + 2) * 1000);
      assert.equal(session!.closed, true);
      await arrives("its place is free", () => rig.hub.sessions.size === 0);
    });
  });
}
