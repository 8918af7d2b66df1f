/** The guard thread: certificates that change, and clients that hold connections. */

import assert from "node:assert/strict";
import { get } from "node:http";
import { connect } from "node:tls";
import { configOf } from "../../kit/config.ts";
import type { EventBody } from "../../../broker/streams/sse_sink.ts";
import { listen } from "../../../server/listen.ts";
import { StreamBody } from "../../../routes/streams/stream_body.ts";
import type { RequestInfo } from "../../../routes/http/own_server.ts";
import { Certificates, type KeyPair } from "../../kit/servers/certificates.ts";
import { eventually, within } from "../../kit/eventually.ts";
import { freePort } from "../../kit/ports.ts";
import { concat, frame, HANDSHAKE, RawConnection } from "../../routes/raw.ts";

type Env = Record<string, string>;

/** A server behind the guard that returns the client's address, echoes WebSockets, and streams. */
async function serve(env: Env) {
  const port = freePort();
  const config = configOf({ PORT: String(port), ...env });
  const streams = new Set<EventBody>();
  const answer = async (request: Request, { remoteAddr, direct }: RequestInfo) => {
    if (request.headers.has("upgrade")) {
      const socket = direct!.upgrade({
        onMessage: (data) => socket!.send(`echo ${data}`),
        onTooBig() {},
        onGone() {},
      }, { maxMessageBytes: 1000 });
      return new Response(null, { status: 101 });
    }
    if (request.method === "POST") return new Response(String((await request.text()).length));
    if (new URL(request.url).pathname !== "/stream") {
      return new Response((remoteAddr as Deno.NetAddr).hostname);
    }
    if (!direct) {
      const body = new StreamBody(() => streams.delete(body));
      streams.add(body);
      return new Response(body.stream);
    }
    const events = direct.openEvents(() => streams.delete(events));
    streams.add(events);
    return new Response();
  };
  const server = await listen(config, answer);
  return {
    port,
    streams,
    send: (text: string) => {
      for (const stream of streams) stream.write(new TextEncoder().encode(text));
    },
    async [Symbol.asyncDispose]() {
      for (const stream of streams) stream.end();
      await server.shutdown();
    },
  };
}

/** The common name of the certificate that a new connection gets. */
function nameOf(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", ca }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

async function install(from: KeyPair, to: KeyPair): Promise<void> {
  await Deno.copyFile(from.certPath, to.certPath);
  await Deno.copyFile(from.keyPath, to.keyPath);
}

Deno.test("new connections use a new certificate, and open streams continue", async () => {
  await using certificates = await Certificates.create();
  const ca = await Deno.readTextFile(certificates.caPath);
  const used = await certificates.server("used");
  const first = await certificates.server("first");
  const second = await certificates.server("second");
  await install(first, used);
  await using server = await serve({
    TLS_CERT_PATH: used.certPath,
    TLS_KEY_PATH: used.keyPath,
  });
  const { port } = server;
  assert.equal(await nameOf(port, ca), "first");
  using client = Deno.createHttpClient({ caCerts: [ca] });
  assert.equal(await (await fetch(`https://127.0.0.1:${port}/`, { client })).text(), "127.0.0.1");

  const response = await fetch(`https://127.0.0.1:${port}/stream`, { client });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const socket = new WebSocket(`wss://127.0.0.1:${port}/`, { client } as unknown as string[]);
  await new Promise((resolve) => socket.onopen = resolve);
  const echoed = (text: string) =>
    within(
      "the echo",
      new Promise((resolve) => {
        socket.onmessage = ({ data }) => resolve(data);
        socket.send(text);
      }),
    );
  assert.equal(await echoed("a"), "echo a");

  await install(second, used);
  await eventually("the second certificate", async () => await nameOf(port, ca) === "second");
  assert.equal(await echoed("b"), "echo b");
  server.send("still here");
  assert.equal((await within("the stream", reader.read())).value, "still here");
  socket.close();
  await new Promise((resolve) => socket.onclose = resolve);
  // A client that leaves early does no harm.
  await reader.cancel();
  await eventually("the stream is gone", () => server.streams.size === 0);
  assert.equal(await nameOf(port, ca), "second");
});

const GUARDED: Env = {
  CONNECTION_GUARD: "true",
  CONNECTION_HANDSHAKE_SECONDS: "1",
  CONNECTION_WRITE_SECONDS: "2",
  KEEPALIVE_SECONDS: "1",
};

Deno.test("a client that sends no request, or an incomplete one, is closed", async (t) => {
  await using server = await serve(GUARDED);
  const slow: Record<string, string> = {
    "nothing": "",
    "half a head": "GET / HTTP/1.1\r\nHost: a\r\n",
    "half a body": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
  };
  await Promise.all(
    Object.entries(slow).map(([name, text]) =>
      t.step({
        name,
        sanitizeOps: false,
        sanitizeResources: false,
        sanitizeExit: false,
        fn: async () => {
          await using connection = await RawConnection.open(server.port);
          await connection.write(new TextEncoder().encode(text));
          assert.equal(await connection.end(), "");
        },
      })
    ),
  );
  // Byte by byte, never complete.
  await using connection = await RawConnection.open(server.port);
  const drip = setInterval(
    () => connection.write(new TextEncoder().encode("a")).catch(() => {}),
    100,
  );
  assert.equal(await connection.end(), "");
  clearInterval(drip);
});

Deno.test("a client that does not finish the TLS handshake is closed, and others are served", async () => {
  await using certificates = await Certificates.create();
  const ca = await Deno.readTextFile(certificates.caPath);
  const { certPath, keyPath } = await certificates.server();
  await using server = await serve({
    ...GUARDED,
    TLS_CERT_PATH: certPath,
    TLS_KEY_PATH: keyPath,
  });
  await using silent = await RawConnection.open(server.port);
  await using half = await RawConnection.open(server.port);
  await half.write(new Uint8Array([0x16, 0x03, 0x01, 0x02, 0x00]));
  await using plain = await RawConnection.open(server.port);
  await plain.request("/");
  assert.equal(await nameOf(server.port, ca), "server");
  for (const connection of [silent, half, plain]) {
    const answer = await connection.end();
    assert.doesNotMatch(answer, /HTTP/);
  }
});

Deno.test("a client that does not read is closed, and the server releases its stream", async () => {
  await using server = await serve(GUARDED);
  await using connection = await RawConnection.open(server.port);
  await connection.request("/stream");
  await eventually("the stream", () => server.streams.size === 1);
  const chunk = "x".repeat(1_000_000);
  for (let i = 0; i < 20; i++) server.send(chunk);
  await eventually("the stream is gone", () => server.streams.size === 0);
});

interface Way {
  readonly env: Env;
  readonly ca: string | undefined;
  readonly url: (port: number) => string;
  /** For fetch(). */
  readonly client: Deno.HttpClient;
}

/** Behind a guard that speaks TLS, and behind one that does not. */
async function eachWay(t: Deno.TestContext, run: (way: Way) => Promise<void>): Promise<void> {
  await using certificates = await Certificates.create();
  const { certPath, keyPath } = await certificates.server();
  const ca = await Deno.readTextFile(certificates.caPath);
  using client = Deno.createHttpClient({ caCerts: [ca], http2: false });
  await t.step(
    "without TLS",
    () => run({ env: {}, ca: undefined, url: (port) => `http://127.0.0.1:${port}/`, client }),
  );
  const env = { TLS_CERT_PATH: certPath, TLS_KEY_PATH: keyPath };
  await t.step(
    "with TLS",
    () => run({ env, ca, url: (port) => `https://127.0.0.1:${port}/`, client }),
  );
}

Deno.test("a large body passes, and a client that sends far more than is read does not fill the memory", async (t) => {
  await eachWay(t, async ({ env, ca, url, client }) => {
    await using server = await serve({ ...GUARDED, ...env, CONNECTION_HANDSHAKE_SECONDS: "30" });
    const body = new Uint8Array(6_000_000);
    const posted = await fetch(url(server.port), { client, method: "POST", body });
    assert.equal(await posted.text(), "6000000");

    await using flood = await RawConnection.open({ port: server.port, ca });
    await flood.request("/", HANDSHAKE);
    assert.equal((await flood.head()).status, 101);
    const pings = concat(...Array(10_000).fill(frame("x".repeat(100), { opcode: 9 })));
    const before = Deno.memoryUsage().rss;
    let isOver = false;
    const sending = (async () => {
      for (let sent = 0; sent < 200_000_000; sent += pings.length) await flood.write(pings);
    })().catch(() => {}).finally(() => isOver = true);
    // Without TLS it is throttled, and with TLS it is closed.
    const settled = performance.now() + 3_000;
    await eventually("throttled or closed", () => isOver || performance.now() > settled);
    const grown = Deno.memoryUsage().rss - before;
    assert.ok(grown < 150_000_000, `${grown} bytes`);
    assert.equal(await (await fetch(url(server.port), { client })).text(), "127.0.0.1");
    await flood[Symbol.asyncDispose]();
    await sending;
  });
});

Deno.test("a client that closes its sending side gets the answer, and its stream continues", async (t) => {
  await eachWay(t, async ({ env, ca }) => {
    await using server = await serve({ ...GUARDED, ...env });
    await using short = await RawConnection.open({ port: server.port, ca });
    await short.request("/");
    await short.closeWrite();
    assert.equal((await short.head()).status, 200);
    assert.equal(new TextDecoder().decode(await short.bytes(9)), "127.0.0.1");
    await using stream = await RawConnection.open({ port: server.port, ca });
    await stream.request("/stream");
    await stream.closeWrite();
    await eventually("the stream", () => server.streams.size === 1);
    server.send("still here");
    for (const events of server.streams) events.end();
    assert.match(await stream.end(), /still here/);
  });
});

Deno.test("the program sees the client's address", async () => {
  await using server = await serve(GUARDED);
  for (const localAddress of ["127.0.0.1", "127.0.0.5"]) {
    const seen = await new Promise((resolve, reject) => {
      get({ port: server.port, host: "127.0.0.1", localAddress, agent: false }, (response) => {
        response.setEncoding("utf8").on("data", resolve);
      }).on("error", reject);
    });
    assert.equal(seen, localAddress);
  }
});

Deno.test("the last bytes arrive even if the server stops immediately", async () => {
  const server = await serve(GUARDED);
  await using client = await RawConnection.open(server.port);
  await client.request("/stream");
  await eventually("the stream", () => server.streams.size === 1);
  server.send("x".repeat(100_000));
  server.send("the last words");
  const stopped = server[Symbol.asyncDispose]();
  assert.match(await client.end(), /the last words\r\n0\r\n/);
  await stopped;
});

Deno.test("an error about a port in use names the variable", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String(taken.addr.port);
  await assert.rejects(serve({ ...GUARDED, PORT: port }), {
    name: "ListenError",
    message: /^PORT \d+ is taken/,
  });
  await assert.rejects(serve({ ...GUARDED, HOST: "192.0.2.1" }), { message: /^HOST / });
});
