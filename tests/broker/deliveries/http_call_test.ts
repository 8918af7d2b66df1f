/** Services that answer in ways that no service should. */

import assert from "node:assert/strict";
import { Backend } from "../../../broker/deliveries/backend.ts";
import { DeliveryError } from "../../../broker/deliveries/delivery.ts";
import { callJson } from "../../../broker/deliveries/http_call.ts";
import { WhatsApp } from "../../../broker/deliveries/whatsapp.ts";
import { eventually, within } from "../../kit/eventually.ts";

const MB = 1_048_576;
const never = new AbortController().signal;
const encoder = new TextEncoder();

type Behave = (write: (data: string | Uint8Array) => Promise<unknown>) => Promise<unknown>;

/** Answers the first request of every connection as told, then waits for the client to leave. */
class RawServer implements AsyncDisposable {
  requests: string[] = [];
  /** Bytes that went out, and connections that are open. */
  sent = 0;
  open = 0;
  readonly #listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  readonly #connections = new Set<Deno.Conn>();

  constructor(private readonly behave: Behave) {
    this.#run();
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  async #run(): Promise<void> {
    for await (const conn of this.#listener) this.#serve(conn);
  }

  async #serve(conn: Deno.Conn): Promise<void> {
    this.#connections.add(conn);
    this.open++;
    try {
      const buffer = new Uint8Array(65_536);
      const length = await conn.read(buffer) ?? 0;
      this.requests.push(new TextDecoder().decode(buffer.subarray(0, length)));
      await this.behave(async (data) => {
        const bytes = typeof data === "string" ? encoder.encode(data) : data;
        for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
        this.sent += bytes.length;
      });
      // Until the other side leaves.
      while (await conn.read(buffer) !== null);
    } catch {
      // The other side left in the middle.
    } finally {
      this.open--;
      this.#connections.delete(conn);
      try {
        conn.close();
      } catch {
        // The test ended.
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#connections) conn.close();
    await eventually("all have ended", () => this.open === 0);
  }
}

const head = (status: number, ...lines: readonly string[]) =>
  [`HTTP/1.1 ${status} x`, ...lines, "", ""].join("\r\n");

function call(url: string, { timeoutMs = 2_000 } = {}): Promise<unknown> {
  return callJson({ method: "POST", url, body: {}, timeoutMs, service: "it" });
}

async function failure(promise: Promise<unknown>): Promise<DeliveryError> {
  const error = await within("an end", promise.then(() => undefined, (error) => error), 10_000);
  assert.ok(error instanceof DeliveryError, `a DeliveryError, not ${error}`);
  return error;
}

Deno.test("callJson() reads 1 MB of an answer of 1 GiB, and closes its connection", async () => {
  for (const framing of [`content-length: ${1024 * MB}`, "connection: close"]) {
    await using server = new RawServer(async (write) => {
      await write(head(200, framing));
      const chunk = new Uint8Array(MB).fill(0x20);
      for (let n = 0; n < 1024; n++) await write(chunk);
    });
    assert.equal(await call(server.url), undefined);
    await eventually("the connection is closed", () => server.open === 0);
    // What the sockets of both sides hold comes on top.
    assert.ok(server.sent <= 16 * MB, `${server.sent / MB} MB went out`);
  }
});

Deno.test("callJson() does not read the body of an error response", async () => {
  await using server = new RawServer(async (write) => {
    await write(head(500, `content-length: ${1024 * MB}`));
    for (let n = 0; n < 1024; n++) await write(new Uint8Array(MB));
  });
  assert.equal((await failure(call(server.url))).message, "it answered 500");
  await eventually("the connection is closed", () => server.open === 0);
  assert.ok(server.sent <= 16 * MB, `${server.sent / MB} MB went out`);
});

Deno.test("callJson() counts decompressed bytes: a small response may become a large one", async () => {
  const packed = await new Response(
    new Blob([new Uint8Array(64 * MB).fill(0x20)]).stream()
      .pipeThrough(new CompressionStream("gzip")),
  ).bytes();
  assert.ok(packed.length < MB);
  await using server = new RawServer(async (write) => {
    await write(head(200, "content-encoding: gzip", `content-length: ${packed.length}`));
    await write(packed);
  });
  const before = Deno.memoryUsage().external;
  assert.equal(await call(server.url), undefined);
  assert.ok(Deno.memoryUsage().external - before < 32 * MB);
});

Deno.test("callJson() accepts a response of exactly 1 MB, and ignores one that is not JSON", async () => {
  const answers = async (body: string, ...lines: readonly string[]) => {
    await using server = new RawServer((write) =>
      write(head(200, `content-length: ${encoder.encode(body).length}`, ...lines) + body)
    );
    return await call(server.url);
  };
  const json = JSON.stringify("x".repeat(MB - 2));
  assert.equal(await answers(json), JSON.parse(json));
  assert.equal(await answers(`${json} `), undefined);
  assert.deepEqual(await answers('{"a":"ñ"}', "content-type: text/html"), { a: "ñ" });
  assert.equal(await answers("<html>", "content-type: application/json"), undefined);
  assert.equal(await answers(""), undefined);
  await using empty = new RawServer((write) => write(head(204)));
  assert.equal(await call(empty.url), undefined);
});

Deno.test("callJson() ends within its timeout, however slowly a response arrives", async () => {
  const drip = async (write: Parameters<Behave>[0], text: string) => {
    for (;;) {
      await write(text);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const slow: Record<string, Behave> = {
    "nothing at all": () => Promise.resolve(),
    "a head that drips": (write) => write("HTTP/1.1 200 x\r\n").then(() => drip(write, "a: b\r\n")),
    "half a status line": (write) => write("HTTP/1."),
    "interim answers without end": (write) => drip(write, head(103)),
    "a body that drips": (write) =>
      write(head(200, "content-length: 100000")).then(() => drip(write, " ")),
    "a body that stops": (write) => write(`${head(200, "content-length: 9")}{`),
  };
  await Promise.all(
    Object.entries(slow).map(async ([name, behave]) => {
      await using server = new RawServer(behave);
      const error = await failure(call(server.url, { timeoutMs: 300 }));
      assert.deepEqual(
        [error.message, error.contact],
        ["it did not answer within 300 ms", "silent"],
        name,
      );
      await eventually("the connection is closed", () => server.open === 0);
    }),
  );
});

Deno.test("callJson() reports a response that breaks off, and one that is not HTTP", async () => {
  const broken: readonly (readonly [Behave, RegExp])[] = [
    [(write) => write("hello\r\n\r\n"), /^it aborted the connection$/],
    [async (write) => {
      await write("HTTP/1.1 200 x\r\n");
      for (let n = 0; n < 100_000; n++) await write(`x-${n}: ${"y".repeat(100)}\r\n`);
    }, /^it aborted the connection$/],
    [
      (write) => write(head(200, "transfer-encoding: chunked") + "zz\r\n"),
      /^it aborted its response$/,
    ],
  ];
  for (const [behave, message] of broken) {
    await using server = new RawServer(behave);
    const error = await failure(call(server.url));
    assert.match(error.message, message);
    assert.deepEqual([error.away, error.contact], [true, "answered"]);
  }
});

Deno.test("callJson() follows no redirects: a loop would not end, and another host would get the token", async () => {
  await using other = new RawServer((write) => write(head(200, "content-length: 0")));
  for (const status of [301, 302, 303, 307, 308]) {
    await using server = new RawServer((write) =>
      write(head(status, `location: ${other.url}/messages?token=x`, "content-length: 0"))
    );
    const whatsapp = new WhatsApp({ url: `${server.url}/1?token=a-secret`, token: "a-secret" });
    const error = await failure(whatsapp.send("1", { type: "text", text: "x" }, never));
    assert.match(error.message, new RegExp(`^WhatsApp answered ${status}: redirects are not`));
    assert.ok(error.away && !error.permanent, "waiting work is delivered once the URL is changed");
    assert.equal(server.requests.length, 1);
  }
  assert.deepEqual(other.requests, []);
});

Deno.test("a message that WhatsApp accepted is sent once, whatever happens to the response body", async () => {
  const bodies: readonly Behave[] = [
    (write) => write(`${head(200, "content-length: 9")}{`),
    (write) => write(head(200, "transfer-encoding: chunked") + "zz\r\n"),
  ];
  for (const behave of bodies) {
    await using server = new RawServer(behave);
    const whatsapp = new WhatsApp({ url: server.url, token: "t", timeoutMs: 300 });
    await whatsapp.send("1", { type: "text", text: "x" }, never);
  }
});

Deno.test("Retry-After may be seconds or a date, and is limited to five minutes", async () => {
  const told = async (value: string) => {
    await using server = new RawServer((write) =>
      write(head(503, `retry-after: ${value}`, "content-length: 0"))
    );
    return (await failure(call(server.url))).retryAfterMs;
  };
  assert.equal(await told("7"), 7_000);
  assert.equal(await told("86400"), 300_000);
  assert.equal(await told("9".repeat(400)), undefined);
  assert.equal(await told(new Date(0).toUTCString()), 0);
  assert.equal(await told("soon"), undefined);
  const minute = await told(new Date(Date.now() + 60_000).toUTCString());
  assert.ok(minute! > 50_000 && minute! <= 60_000);
});

Deno.test("a body that cannot be written as JSON is the caller's bug, not a failure of the service", async () => {
  const away: boolean[] = [];
  await using server = new RawServer((write) => write(head(200, "content-length: 0")));
  const backend = new Backend({ url: server.url, onAway: (is) => away.push(is) });
  for (let n = 0; n < 10; n++) {
    await assert.rejects(backend.process({ n: 1n }, `${n}`, never), TypeError);
  }
  assert.deepEqual([away, server.requests], [[], []]);
});
