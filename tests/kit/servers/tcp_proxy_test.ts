import assert from "node:assert/strict";
import { TcpProxy } from "./tcp_proxy.ts";
import { eventually } from "../eventually.ts";

/** An echo server, and a connection to it through a proxy. */
async function echo() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    const all: Promise<void>[] = [];
    for await (const conn of listener) {
      all.push(conn.readable.pipeTo(conn.writable).catch(() => {}));
    }
    await Promise.all(all);
  })();
  const proxy = await TcpProxy.start((listener.addr as Deno.NetAddr).port);
  const open = () => Deno.connect({ hostname: "127.0.0.1", port: proxy.port });
  return {
    proxy,
    open,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      listener.close();
      await serving;
    },
  };
}

/** The next bytes as text; "end" or "error" if the connection ends. */
function read(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(64);
  return conn.read(buffer).then(
    (count) => count === null ? "end" : new TextDecoder().decode(buffer.subarray(0, count)),
    () => "error",
  );
}

const text = (value: string) => new TextEncoder().encode(value);

Deno.test("TcpProxy forwards bytes in both directions", async () => {
  await using server = await echo();
  using conn = await server.open();
  await conn.write(text("hello"));
  assert.equal(await read(conn), "hello");
  assert.deepEqual(server.proxy.bytes, { toServer: 5, toClient: 5 });
});

Deno.test("TcpProxy.stall() holds back bytes until pass()", async () => {
  await using server = await echo();
  using conn = await server.open();
  await conn.write(text("a"));
  assert.equal(await read(conn), "a");
  server.proxy.stall();
  await conn.write(text("b"));
  const answer = read(conn);
  let came = false;
  answer.then(() => came = true);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(came, false);
  server.proxy.pass();
  assert.equal(await answer, "b");
});

Deno.test("TcpProxy.delay() keeps delayed bytes in order", async () => {
  await using server = await echo();
  using conn = await server.open();
  server.proxy.delay(30);
  const start = performance.now();
  await conn.write(text("a"));
  await conn.write(text("b"));
  let seen = "";
  while (seen.length < 2) seen += await read(conn);
  assert.equal(seen, "ab");
  assert.ok(performance.now() - start >= 55);
});

Deno.test("TcpProxy.cutAfter() resets in the middle of an answer", async () => {
  await using server = await echo();
  using conn = await server.open();
  server.proxy.cutAfter(3);
  await conn.write(text("hello"));
  const first = await read(conn);
  assert.ok(first === "hel" || first === "error", first);
  if (first === "hel") assert.match(await read(conn), /end|error/);
});

Deno.test("TcpProxy.reset() resets connections, refuse() refuses new ones", async () => {
  await using server = await echo();
  using conn = await server.open();
  await conn.write(text("a"));
  assert.equal(await read(conn), "a");
  server.proxy.reset();
  assert.equal(await read(conn), "error");
  await server.proxy.refuse();
  await assert.rejects(server.open(), Deno.errors.ConnectionRefused);
  await server.proxy.accept();
  using again = await server.open();
  await again.write(text("b"));
  assert.equal(await read(again), "b");
});

Deno.test("TcpProxy.drop() closes new connections and forgets closed ones", async () => {
  await using server = await echo();
  {
    using conn = await server.open();
    await conn.write(text("a"));
    await read(conn);
    assert.equal(server.proxy.connections, 1);
  }
  await eventually("no connection", () => server.proxy.connections === 0);
  server.proxy.drop();
  const outcome = await server.open().then(async (conn) => {
    using _ = conn;
    return await read(conn);
  }, () => "error");
  assert.match(outcome, /end|error/);
});

Deno.test("TcpProxy.delay(0) lets nothing overtake bytes that are still delayed", async () => {
  await using server = await echo();
  using conn = await server.open();
  server.proxy.delay(300);
  await conn.write(text("first"));
  await eventually("the proxy has it", () => server.proxy.bytes.toServer === 5);
  server.proxy.delay(0);
  await conn.write(text("second"));
  let seen = "";
  while (seen.length < "firstsecond".length) seen += await read(conn);
  assert.equal(seen, "firstsecond");
});
