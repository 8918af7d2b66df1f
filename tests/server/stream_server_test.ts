/** HTTP/1 on a connection: requests, bodies, answers, and what ends it. */

import assert from "node:assert/strict";
import { connect } from "node:http2";
import { gunzipSync } from "node:zlib";
import { closed } from "../../telemetry/metrics.ts";
import { BrokenBodyError } from "../../server/request_body.ts";
import { eventually, within } from "../kit/eventually.ts";
import { Site } from "./site.ts";

const HOST = "Host: a\r\n\r\n";

/** How many connections were closed for a reason so far. */
async function closedFor(reason: string): Promise<number> {
  const { values } = await closed.counter.get();
  return values.find(({ labels }) => labels.reason === reason)?.value ?? 0;
}

Deno.test("StreamServer answers every request of a connection, in order", async () => {
  await using site = new Site();
  await using client = await site.raw(`GET /one HTTP/1.1\r\n${HOST}GET /two HTTP/1.1\r\n${HOST}`);
  for (const path of ["/one", "/two"]) {
    const { status, body } = await client.answer();
    assert.deepEqual([status, JSON.parse(body).url], [200, `http://a${path}`]);
  }
  // An empty line before a request is skipped.
  await client.send(`\r\n\r\nGET /three HTTP/1.1\r\n${HOST}`);
  const { headers, body } = await client.answer();
  assert.equal(JSON.parse(body).direct, true);
  assert.equal(headers.get("connection"), null);
  assert.ok(headers.get("date"));
});

Deno.test("StreamServer answers pipelined requests a few at a time, whatever the number of clients", async () => {
  let turn = 0;
  const byTurn = new Map<number, number>();
  const timer = setInterval(() => turn++, 0);
  await using site = new Site({}, (request) => {
    if (request.url.endsWith("/more")) byTurn.set(turn, (byTurn.get(turn) ?? 0) + 1);
    return new Response("x");
  });
  await using stack = new AsyncDisposableStack();
  const text = `GET /first HTTP/1.1\r\n${HOST}` + `GET /more HTTP/1.1\r\n${HOST}`.repeat(20);
  const clients = await Promise.all(
    Array.from({ length: 100 }, async () => stack.use(await site.raw(text))),
  );
  for (const client of clients) for (let n = 0; n < 21; n++) await client.answer();
  clearInterval(timer);
  const most = Math.max(...byTurn.values());
  assert.ok(most <= 24, `${most} in one turn`);
});

Deno.test("StreamServer reads a head that arrives in pieces, with and without CR", async () => {
  await using site = new Site();
  for (const end of ["\r\n", "\n"]) {
    const text = `GET /pieces HTTP/1.1${end}Host: a${end}X: 1${end}${end}`;
    await using client = await site.raw(...text);
    const { status, body } = await client.answer();
    assert.deepEqual([status, JSON.parse(body).headers], [200, { host: "a", x: "1" }]);
  }
});

Deno.test("StreamServer answers HTTP/1.0, streams without chunks, and closes the connection", async () => {
  await using site = new Site();
  await using plain = await site.raw("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  assert.match(await plain.end(), /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n[^]*"url"/);
  await using stream = await site.raw("GET /events HTTP/1.0\r\n\r\n");
  await eventually("the stream", () => site.streams.size === 1);
  for (const events of site.streams) (events as { end(): void }).end();
  const text = await stream.end();
  assert.doesNotMatch(text, /transfer-encoding/);
  assert.ok(text.endsWith("\r\n\r\ndata: 1\n\n"), text);
});

Deno.test("StreamServer reads bodies with either framing, and the request after them", async () => {
  await using site = new Site();
  const text = "text ".repeat(100_000);
  const bodies: [string, string, string][] = [
    ["Content-Length: 5\r\n", "hello", "hello"],
    [`Content-Length: ${text.length}\r\n`, text, text],
    ["Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", "hello"],
    [
      "Transfer-Encoding: chunked\r\n",
      `2;a="b"\r\nhe\r\n003 \r\nllo\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\nX: 1\r\n\r\n`,
      `hello${text}`,
    ],
  ];
  for (const [headers, sent, expected] of bodies) {
    await using client = await site.raw(`POST /echo HTTP/1.1\r\n${headers}${HOST}`, sent);
    assert.equal((await client.answer()).body, expected);
    await client.send(`GET /next HTTP/1.1\r\n${HOST}`);
    assert.equal((await client.answer()).status, 200);
  }
  // Bodies that the handler does not read, and a GET with a body.
  await using client = await site.raw(`POST /post HTTP/1.1\r\nContent-Length: 3\r\n${HOST}abc`);
  await client.send(
    `GET /get HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${HOST}1\r\na\r\n0\r\n\r\n`,
  );
  await client.send(`GET /next HTTP/1.1\r\n${HOST}`);
  for (const path of ["/post", "/get", "/next"]) {
    assert.equal(JSON.parse((await client.answer()).body).url, `http://a${path}`);
  }
});

Deno.test("StreamServer closes a connection instead of reading a large body that the handler ignored", async () => {
  await using site = new Site();
  await using client = await site.raw(
    `POST /post HTTP/1.1\r\nContent-Length: 10000000\r\n${HOST}${"x".repeat(300_000)}`,
  );
  const { status, headers } = await client.answer();
  assert.deepEqual([status, headers.get("connection")], [200, "close"]);
  assert.equal(await client.end(), "");
});

Deno.test("StreamServer fails a truncated or malformed body and closes the connection", async () => {
  await using site = new Site();
  for (
    const [headers, sent] of [
      ["Content-Length: 5\r\n", "abc"],
      ["Transfer-Encoding: chunked\r\n", "5\r\nab"],
      ["Transfer-Encoding: chunked\r\n", "5\r\nhelloX0\r\n\r\n"],
      ["Transfer-Encoding: chunked\r\n", "x\r\n"],
      ["Transfer-Encoding: chunked\r\n", "-1\r\n"],
      ["Transfer-Encoding: chunked\r\n", "1000000000000000\r\n"],
      ["Transfer-Encoding: chunked\r\n", `5;${"x".repeat(5_000)}\r\n`],
      ["Transfer-Encoding: chunked\r\n", `0\r\n${"X: 1\r\n".repeat(200)}`],
    ] as const
  ) {
    const before = site.errors.length;
    await using client = await site.raw(`POST /echo HTTP/1.1\r\n${headers}${HOST}${sent}`);
    await client.connection.closeWrite();
    assert.equal((await client.answer()).status, 400, sent);
    assert.equal(await client.end(), "");
    assert.ok(site.errors[before] instanceof BrokenBodyError, sent);
  }
});

Deno.test("StreamServer sends 100 Continue only when the handler reads the body", async () => {
  await using site = new Site();
  const expect = `Expect: 100-continue\r\nContent-Length: 5\r\n${HOST}`;
  await using client = await site.raw(`POST /echo HTTP/1.1\r\n${expect}`);
  assert.equal((await client.connection.head()).status, 100);
  await client.send("hello");
  assert.equal((await client.answer()).body, "hello");
  await using unwanted = await site.raw(`POST /post HTTP/1.1\r\n${expect}`);
  const { status, headers } = await unwanted.answer();
  assert.deepEqual([status, headers.get("connection")], [200, "close"]);
});

Deno.test("StreamServer sends no body for HEAD, 204 and 304", async () => {
  const answers: Record<string, Response> = {
    "/204": new Response(null, { status: 204 }),
    "/304": new Response(null, { status: 304 }),
    "/head": new Response("text"),
    "/empty": new Response(null),
  };
  await using site = new Site({}, (request) => answers[new URL(request.url).pathname]!);
  await using client = await site.raw();
  for (const line of ["GET /204", "GET /304", "HEAD /head"]) {
    await client.send(`${line} HTTP/1.1\r\n${HOST}`);
    const { headers } = await client.answer({ bodiless: true });
    assert.equal(headers.get("content-length"), null, line);
  }
  await client.send(`GET /empty HTTP/1.1\r\n${HOST}`);
  assert.equal((await client.answer()).headers.get("content-length"), "0");
});

Deno.test("StreamServer compresses long text for a client that accepts gzip", async () => {
  const text = JSON.stringify("long ".repeat(1_000));
  const json = { "content-type": "application/json" };
  await using site = new Site(
    {},
    (request) => new Response(request.url.endsWith("short") ? "{}" : text, { headers: json }),
  );
  const get = async (path: string, accepted: string) => {
    await using client = await site.raw(
      `GET ${path} HTTP/1.1\r\nAccept-Encoding: ${accepted}\r\n${HOST}`,
    );
    const { headers } = await client.connection.head();
    const bytes = await client.connection.bytes(Number(headers.get("content-length")));
    return { encoding: headers.get("content-encoding"), vary: headers.get("vary"), bytes };
  };
  const packed = await get("/", "br, GZIP;q=0.5");
  assert.deepEqual([packed.encoding, packed.vary], ["gzip", "accept-encoding"]);
  assert.equal(gunzipSync(packed.bytes).toString(), text);
  const plain = await get("/", "br, gzip;q=0");
  assert.deepEqual([plain.encoding, plain.vary], [null, "accept-encoding"]);
  assert.equal(new TextDecoder().decode(plain.bytes), text);
  assert.equal((await get("/short", "gzip")).encoding, null);
});

Deno.test("StreamServer answers 500 if the handler fails, and keeps the connection", async () => {
  await using site = new Site();
  await using client = await site.raw(`GET /fail HTTP/1.1\r\n${HOST}GET /fail HTTP/1.1\r\n${HOST}`);
  for (let i = 0; i < 2; i++) {
    const { status, body } = await client.answer();
    assert.deepEqual([status, body], [500, "failed"]);
  }
});

Deno.test("StreamServer answers an invalid request with a problem, and closes the connection", async () => {
  await using site = new Site({ maxHeadBytes: 10_000 });
  const x = "x".repeat(20_000);
  for (
    const [text, status, code] of [
      ["nonsense\r\n\r\n", 400, "bad_request"],
      ["GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400, "bad_host"],
      [`GET /${x}`, 414, "url_too_long"],
      [`GET /${x} HTTP/1.1\r\n${HOST}`, 414, "url_too_long"],
      [`GET / HTTP/1.1\r\nX: ${x}`, 431, "headers_too_large"],
      ["PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 400, "bad_request"],
      ["\0\0\0\n\n", 400, "bad_request"],
    ] as const
  ) {
    await using client = await site.raw(text);
    const { headers, body, ...answer } = await client.answer();
    assert.equal(answer.status, status, body);
    assert.equal(headers.get("content-type"), "application/problem+json");
    assert.equal(headers.get("connection"), "close");
    assert.equal(JSON.parse(body).code, code);
    assert.equal(await client.end(), "");
  }
});

Deno.test("StreamServer answers a client that closes its sending side, and continues its stream", async () => {
  await using site = new Site();
  await using client = await site.raw(`GET / HTTP/1.1\r\n${HOST}`);
  await client.connection.closeWrite();
  assert.equal((await client.answer()).status, 200);
  assert.equal(await client.end(), "");
  await using half = await site.raw("GET / HTTP/1.1\r\nHost: a\r\n");
  await half.connection.closeWrite();
  assert.equal((await half.answer()).status, 400);
  await using nothing = await site.raw();
  await nothing.connection.closeWrite();
  assert.equal(await nothing.end(), "");
  await using stream = await site.raw(`GET /events HTTP/1.1\r\n${HOST}`);
  await stream.connection.closeWrite();
  assert.equal((await stream.connection.head()).status, 200);
  await eventually("the stream", () => site.streams.size === 1);
  for (const events of site.streams) {
    (events as { write(bytes: Uint8Array): void }).write(new TextEncoder().encode("data: 2\n\n"));
    (events as { end(): void }).end();
  }
  assert.match(await stream.end(), /data: 1\n\n[^]*data: 2\n\n\r\n0\r\n\r\n$/);
});

Deno.test("StreamServer closes a client that sends no request in time or is idle between requests", async () => {
  await using site = new Site({ headMs: 100, idleMs: 100 });
  const late = await closedFor("handshake_timeout");
  const idle = await closedFor("idle_timeout");
  for (const text of ["", "G", "GET / HTTP/1.1\r\n", "\r\n\r\n", "PRI * HTTP/2.0\r\n"]) {
    await using client = await site.raw(text);
    assert.equal(await client.end(), "");
  }
  assert.equal(await closedFor("handshake_timeout"), late + 5);
  await using client = await site.raw(`GET / HTTP/1.1\r\n${HOST}`);
  await client.answer();
  assert.equal(await client.end(), "");
  assert.equal(await closedFor("idle_timeout"), idle + 1);
  await using second = await site.raw(`GET / HTTP/1.1\r\n${HOST}`, "GET /half");
  await second.answer();
  assert.equal(await second.end(), "");
  assert.equal(await closedFor("handshake_timeout"), late + 6);
});

Deno.test("StreamServer closes a client that does not read an answer, and counts it", async () => {
  await using site = new Site({ writeMs: 100 });
  const before = await closedFor("not_read");
  await using _client = await site.raw(`GET /large HTTP/1.1\r\n${HOST}`);
  await eventually("closed", async () => await closedFor("not_read") === before + 1);
});

Deno.test("StreamServer makes room for a new client by closing the oldest one without a request", async () => {
  await using site = new Site({ maxSockets: 3 });
  const before = await closedFor("too_many_sockets");
  await using first = await site.raw("GET / HTTP/1.1\r\n");
  await using second = await site.raw(`GET / HTTP/1.1\r\n${HOST}`);
  await second.answer();
  await using third = await site.raw(`GET /events HTTP/1.1\r\n${HOST}`);
  assert.equal((await third.connection.head()).status, 200);
  // First the one that has waited longest, then the idle one.
  for (const waiting of [first, second]) {
    await using client = await site.raw(`GET /events HTTP/1.1\r\n${HOST}`);
    assert.equal((await client.connection.head()).status, 200);
    assert.equal(await waiting.end(), "");
    // From now on its stream occupies the place.
    if (waiting === first) await eventually("two streams", () => site.streams.size === 2);
  }
  assert.equal(await closedFor("too_many_sockets"), before + 2);
});

Deno.test("StreamServer limits the connections of one address, if configured", async () => {
  await using site = new Site({ maxSocketsPerAddress: 2 });
  await using first = await site.raw(`GET /events HTTP/1.1\r\n${HOST}`);
  await using second = await site.raw(`GET /events HTTP/1.1\r\n${HOST}`);
  for (const client of [first, second]) assert.equal((await client.connection.head()).status, 200);
  await using third = await site.raw();
  assert.equal(await third.end(), "");
});

Deno.test("StreamServer forwards HTTP/2, which cannot open WebSockets", async () => {
  await using site = new Site();
  const session = connect(site.url(""));
  try {
    const ask = (headers: Record<string, string>) =>
      new Promise<string>((resolve, reject) => {
        let text = "";
        const stream = session.request(headers);
        stream.setEncoding("utf8");
        stream.on("data", (data) => text += data);
        stream.on("end", () => resolve(text));
        stream.on("error", reject);
      });
    const settings = new Promise((resolve) => session.once("remoteSettings", resolve));
    const { direct, url } = JSON.parse(await within("answer", ask({ ":path": "/over2" })));
    assert.deepEqual([direct, new URL(url).pathname], [false, "/over2"]);
    const { enableConnectProtocol } = await settings as { enableConnectProtocol?: boolean };
    assert.ok(!enableConnectProtocol);
  } finally {
    session.destroy();
  }
});

Deno.test("StreamServer.shutdown() closes waiting clients and lets busy ones get their answer", async () => {
  const answer = Promise.withResolvers<Response>();
  const asked = Promise.withResolvers<void>();
  const site = new Site({ headMs: 600_000 }, () => {
    asked.resolve();
    return answer.promise;
  });
  await using idle = await site.raw();
  await using busy = await site.raw(`GET / HTTP/1.1\r\n${HOST}`);
  await asked.promise;
  const stopped = site.server.shutdown();
  assert.equal(await idle.end(), "");
  answer.resolve(new Response("last"));
  const { headers, body } = await busy.answer();
  assert.deepEqual([headers.get("connection"), body], ["close", "last"]);
  await busy[Symbol.asyncDispose]();
  await within("the stop", stopped);
});
