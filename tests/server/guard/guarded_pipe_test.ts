/** Which connections the guard closes, and when, at the default times and in virtual time. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { GuardedPipe } from "../../../server/guard/guarded_pipe.ts";
import type { Refusal } from "../../../server/guard/protocol.ts";
import { idleMsOf } from "../../../server/listen.ts";
import { configOf } from "../../kit/config.ts";
import { VirtualTime } from "../virtual_time.ts";

const config = configOf();
const { limits: { handshakeSeconds, writeSeconds }, keepaliveSeconds } = config;
const CHECK_MS = 1_000;
/** Between two comments of a stream, or two pings of a WebSocket. */
const BEAT_SECONDS = 20;

/** One side of a pipe; written data waits until it is read. */
class FakeSocket extends Duplex {
  #begun = 0;
  #reads = true;
  #waiting: { readonly bytes: number; readonly done: () => void } | undefined;
  #room = 0;

  setNoDelay(): void {}

  /** As node:net counts it: waiting bytes are included. */
  get bytesWritten(): number {
    return this.#begun + this.writableLength - (this.#waiting?.bytes ?? 0);
  }

  get socket(): Socket {
    return this as unknown as Socket;
  }

  /** Whether it reads everything from now on, or nothing. */
  set reads(reads: boolean) {
    this.#reads = reads;
    this.#takeOn();
  }

  /** Reads this many more bytes. */
  readSome(bytes: number): void {
    this.#room += bytes;
    this.#takeOn();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#begun += chunk.length;
    this.#waiting = { bytes: chunk.length, done };
    this.#takeOn();
  }

  #takeOn(): void {
    const waiting = this.#waiting;
    if (!waiting || !(this.#reads || this.#room >= waiting.bytes)) return;
    if (!this.#reads) this.#room -= waiting.bytes;
    this.#waiting = undefined;
    waiting.done();
  }
}

/** A pipe that is checked every second. */
class Kit implements Disposable {
  readonly time = new VirtualTime();
  readonly client = new FakeSocket();
  readonly program = new FakeSocket();
  isClosed = false;
  reason: Refusal | undefined;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor() {
    const pipe = new GuardedPipe(this.client.socket, this.program.socket, {
      limits: {
        maxSockets: 1,
        maxSocketsPerAddress: undefined,
        handshakeMs: handshakeSeconds * 1000,
        idleMs: idleMsOf(config),
        writeMs: writeSeconds * 1000,
        maxUnreadBytes: 1_000_000,
      },
      unread: { bytes: 0, pipes: 1 },
      onAnswered: () => {},
      onClosed: (reason) => {
        this.isClosed = true;
        this.reason = reason;
      },
    });
    this.#timer = setInterval(() => pipe.check(performance.now()), CHECK_MS);
  }

  /** The program sends something. */
  answer(text = ": beat\n\n"): void {
    this.program.push(Buffer.from(text));
  }

  /** The reason, if it is closed `afterMs` after the start and not before. */
  async closedAfter(afterMs: number): Promise<Refusal | "open" | "early"> {
    await this.time.pass(afterMs - CHECK_MS - this.time.now);
    if (this.isClosed) return "early";
    await this.time.pass(2 * CHECK_MS);
    return this.reason ?? "open";
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.client.destroy();
    this.program.destroy();
    this.time[Symbol.dispose]();
  }
}

Deno.test("GuardedPipe closes a client that got no answer after 10 s, even if it keeps sending", async () => {
  using kit = new Kit();
  const drip = setInterval(() => kit.client.push(Buffer.from("a")), 500);
  assert.equal(await kit.closedAfter(handshakeSeconds * 1000), "handshake_timeout");
  clearInterval(drip);
});

Deno.test("GuardedPipe keeps a quiet stream with nothing but pings open for an hour", async () => {
  // The beat of a WebSocket or an event stream, and the ping that every stream has.
  for (const seconds of [BEAT_SECONDS, keepaliveSeconds]) {
    using kit = new Kit();
    kit.answer();
    const beats = setInterval(() => kit.answer(), seconds * 1000);
    await kit.time.pass(3_600_000);
    assert.equal(kit.isClosed, false, `${seconds} s`);
    clearInterval(beats);
  }
});

Deno.test("GuardedPipe closes a connection on which the program sends nothing for 75 s", async () => {
  using kit = new Kit();
  kit.answer();
  assert.equal(idleMsOf(config), 75_000);
  assert.equal(await kit.closedAfter(75_000), "idle_timeout");
});

Deno.test("GuardedPipe closes a client that reads nothing after 60 s, although a ping is sent as often", async () => {
  using kit = new Kit();
  kit.client.reads = false;
  kit.answer("x".repeat(50_000));
  const pings = setInterval(() => kit.answer(), keepaliveSeconds * 1000);
  const beats = setInterval(() => kit.answer(), BEAT_SECONDS * 1000);
  // The first check sees that it reads nothing.
  assert.equal(await kit.closedAfter(CHECK_MS + writeSeconds * 1000), "not_read");
  clearInterval(pings);
  clearInterval(beats);
});

Deno.test("GuardedPipe keeps a client that reads a little every minute, and one that catches up", async () => {
  using kit = new Kit();
  kit.client.reads = false;
  const sending = setInterval(() => kit.answer("x".repeat(100)), BEAT_SECONDS * 1000);
  kit.answer("x".repeat(100));
  const reading = setInterval(() => kit.client.readSome(100), (writeSeconds - 2) * 1000);
  await kit.time.pass(600_000);
  assert.equal(kit.isClosed, false);
  clearInterval(reading);
  kit.client.reads = true;
  await kit.time.pass(600_000);
  assert.equal(kit.isClosed, false);
  clearInterval(sending);
});
