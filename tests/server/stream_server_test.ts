import assert from "node:assert/strict";
import type { RequestInfo } from "../../server/direct_request.ts";
import { StreamServer } from "../../server/stream_server.ts";

const PATH = "/api/v1/stream";
const encoder = new TextEncoder();

/** A server that tells who asked, and how it may answer. */
class Site implements AsyncDisposable {
  readonly server = new StreamServer(
    {
      hostname: "127.0.0.1",
      port: 0,
      path: PATH,
      headMs: 200,
      onError: () => new Response("failed", { status: 500 }),
    },
    (request, info) => this.#answer(request, info),
  );

  #answer(request: Request, { direct, remoteAddr }: RequestInfo): Response {
    const { hostname, port } = remoteAddr as Deno.NetAddr;
    if (request.url.includes("fail")) throw new Error("fail");
    if (!request.url.includes("events")) {
      return Response.json({ direct: direct !== undefined, hostname, port });
    }
    const events = direct!.openEvents(() => {});
    events.write(encoder.encode("data: 1\n\n"));
    events.end();
    return new Response(null, { headers: { "content-type": "text/event-stream" } });
  }

  url(target: string): string {
    return `http://127.0.0.1:${this.server.addr.port}${target}`;
  }

  /** Writes the parts, one by one, and returns all that the server answers. */
  async raw(...parts: string[]): Promise<string> {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: this.server.addr.port });
    conn.setNoDelay(true);
    for (const part of parts) {
      await conn.write(encoder.encode(part));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    let text = "";
    const bytes = new Uint8Array(4_096);
    for (let n; (n = await conn.read(bytes).catch(() => null)) !== null;) {
      text += new TextDecoder().decode(bytes.subarray(0, n));
    }
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.shutdown();
  }
}

Deno.test("StreamServer answers the stream itself, and has Deno answer the rest", async () => {
  await using site = new Site();
  const direct = await (await fetch(site.url(`${PATH}?device_ids=A`))).json();
  assert.equal(direct.direct, true);
  for (const target of ["/", `${PATH}s`]) {
    const other = await (await fetch(site.url(target))).json();
    assert.equal(other.direct, false, target);
    assert.equal(other.hostname, "127.0.0.1");
  }
  const posted = await fetch(site.url(PATH), { method: "POST", body: "x".repeat(100_000) });
  assert.equal((await posted.json()).direct, false);
});

Deno.test("StreamServer reads a head that comes in pieces", async () => {
  await using site = new Site();
  const text = await site.raw("GE", `T ${PATH}?events HT`, "TP/1.1\r\nHost: a\r", "\n\r", "\n");
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(text, /\r\ntransfer-encoding: chunked\r\n/);
  assert(text.endsWith("\r\n\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n"), text);
});

Deno.test("StreamServer closes a connection whose head does not come", async () => {
  await using site = new Site();
  assert.equal(await site.raw(`GET ${PATH} HTTP/1.1\r\n`), "");
  assert.equal(await site.raw(), "");
});

Deno.test("StreamServer answers 500 where the handler fails, and lives on", async () => {
  await using site = new Site();
  for (let i = 0; i < 2; i++) {
    const response = await fetch(site.url(`${PATH}?fail`));
    assert.equal(response.status, 500);
    assert.equal(await response.text(), "failed");
  }
});

Deno.test("StreamServer leaves a head without end to Deno", async () => {
  await using site = new Site();
  const long = `GET ${PATH} HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(30_000)}\r\n`;
  const text = await site.raw(long, "Connection: close\r\n\r\n");
  assert.match(text, /"direct":false/);
});
