/** Telecast behind the proxies of deploy/proxies, set up as in docs/proxies.md. */

import assert from "node:assert/strict";
import { connect } from "node:tls";
import { Certificates } from "../kit/servers/certificates.ts";
import { eventually } from "../kit/eventually.ts";
import { trackingPayload } from "../kit/payload.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { type ProxyKind, ReverseProxy } from "../kit/servers/reverse_proxy.ts";
import { System } from "../kit/system.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { WsClient } from "../kit/clients/ws_client.ts";

const KINDS: readonly ProxyKind[] = ["nginx", "haproxy", "caddy"];
const STREAM = "/api/v1/stream?device_ids=A";

for (const kind of KINDS) {
  Deno.test(`${kind} forwards each event at once, over HTTP/2 and HTTP/1.1`, async () => {
    await using system = await System.start();
    await using certificates = await Certificates.create();
    await using proxy = await ReverseProxy.start(kind, {
      certificates,
      ports: [system.telecast.port],
    });
    for (const version of ["2", "1.1"]) {
      await using curl = stream(proxy, certificates, `--http${version}`);
      await curl.waitForOutput(new RegExp(`HTTP/${version} 200`));
      await curl.waitForOutput(/content-type: text\/event-stream/i);
      await curl.waitForOutput(/^retry: \d+/m);
      for (let seq = 1; seq <= 3; seq++) {
        await system.publisher.publish("fleet/A", trackingPayload("A", seq, { uuid: null }));
        await curl.waitForOutput(new RegExp(`^data: .*"SEQ":${seq},`, "m"));
      }
      curl.kill();
    }
  });

  Deno.test(`${kind} forwards WebSocket messages, commands and close codes`, async () => {
    await using system = await System.start();
    await using certificates = await Certificates.create();
    const { publisher, telecast } = system;
    await using proxy = await ReverseProxy.start(kind, { certificates, ports: [telecast.port] });
    using client = await trusting(certificates);
    const url = proxy.url.replace("https", "wss");
    await using socket = await WsClient.open(url + STREAM, { client });
    await publisher.publish("fleet/A", trackingPayload("A", 1));
    await socket.waitForMessages(1);
    socket.send({ action: "subscribe", device_ids: ["B"] });
    await socket.waitForEvent("subscribed");
    await publisher.publish("fleet/B", trackingPayload("B", 1));
    await socket.waitForMessages(2);
    await using refused = await WsClient.open(`${url}/api/v1/stream`, { client });
    assert.equal((await refused.waitForClose()).code, 1008);
  });

  Deno.test(`${kind} keeps a stream that carries only pings, and cuts one that carries nothing`, async () => {
    await using certificates = await Certificates.create();
    await using quiet = await Telecast.start({ env: { KEEPALIVE_SECONDS: "1" } });
    await using silent = await Telecast.start({ env: { KEEPALIVE_SECONDS: "60" } });
    const quietSeconds = 5;
    const start = (port: number) =>
      ReverseProxy.start(kind, { certificates, ports: [port], quietSeconds });
    await using before = await start(quiet.port);
    await using beforeSilent = await start(silent.port);
    using client = await trusting(certificates);
    const wsUrl = (proxy: ReverseProxy) => proxy.url.replace("https", "wss") + STREAM;

    await using events = stream(before, certificates, "--http2");
    await using socket = await WsClient.open(wsUrl(before), { client });
    await using cutEvents = stream(beforeSilent, certificates, "--http2");
    await using cutSocket = await WsClient.open(wsUrl(beforeSilent), { client });
    const pings = 2 * quietSeconds + 1;
    await socket.waitFor(() => socket.events.items.length >= pings, { timeoutMs: 60_000 });
    await eventually("pings over SSE", () => count(events.stdout, /^event: ping/gm) >= pings, {
      timeoutMs: 60_000,
    });
    assert.equal(socket.closeCode, undefined);
    assert.equal(events.status, undefined);
    await cutEvents.waitForExit({ timeoutMs: 30_000 });
    await cutSocket.waitForClose(30_000);
    assert.equal(count(cutEvents.stdout, /^event: ping/gm), 1, "the one that starts the stream");
    events.kill();
  });

  Deno.test(`${kind} passes the client's real address, whatever the client claims`, async () => {
    await using telecast = await Telecast.start({
      env: { TRUST_PROXY: "true", MAX_CONNECTIONS_PER_IP: "1" },
    });
    await using certificates = await Certificates.create();
    await using proxy = await ReverseProxy.start(kind, { certificates, ports: [telecast.port] });
    const as = (address: string, forwarded: string) =>
      stream(proxy, certificates, "--interface", address, "-H", `X-Forwarded-For: ${forwarded}`);
    await using first = as("127.0.0.1", "203.0.113.1");
    await first.waitForOutput(/^retry: /m);
    await using again = as("127.0.0.1", "203.0.113.2");
    await again.waitForOutput(/HTTP\/\S+ 429/);
    await using other = as("127.0.0.2", "203.0.113.1");
    await other.waitForOutput(/^retry: /m);
    for (const curl of [first, again, other]) curl.kill();
  });

  Deno.test(`${kind} cuts off a client that sends its request byte by byte`, async () => {
    await using telecast = await Telecast.start();
    await using certificates = await Certificates.create();
    await using proxy = await ReverseProxy.start(kind, {
      certificates,
      ports: [telecast.port],
      requestSeconds: 2,
    });
    const socket = connect({ port: proxy.port, host: "127.0.0.1", rejectUnauthorized: false });
    const ended = Promise.withResolvers<void>();
    let over = false;
    socket.on("close", () => {
      over = true;
      ended.resolve();
    });
    socket.on("error", () => {});
    socket.on("data", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    const drip = setInterval(() => socket.writable && socket.write("a"), 200);
    try {
      await eventually("the slow client is cut off", () => over, { timeoutMs: 30_000 });
      await ended.promise;
    } finally {
      clearInterval(drip);
      socket.destroy();
    }
    await using curl = stream(proxy, certificates);
    await curl.waitForOutput(/^retry: /m);
    curl.kill();
  });

  Deno.test(`${kind} sends clients to another instance when one is down`, async () => {
    await using one = await Telecast.start();
    await using two = await Telecast.start();
    await using certificates = await Certificates.create();
    await using proxy = await ReverseProxy.start(kind, {
      certificates,
      ports: [one.port, two.port],
    });
    await one.kill();
    for (let i = 0; i < 4; i++) {
      await eventually("a stream", async () => {
        await using curl = stream(proxy, certificates);
        await curl.waitForOutput(/^retry: /m, { timeoutMs: 5_000 });
        curl.kill();
        return true;
      });
    }
    const { transports } = await two.json("/api/v1/stats");
    assert.ok(transports.sse.connections_total >= 4);
  });

  Deno.test(`${kind} redirects http to https`, async () => {
    await using telecast = await Telecast.start();
    await using certificates = await Certificates.create();
    await using proxy = await ReverseProxy.start(kind, { certificates, ports: [telecast.port] });
    const { status, headers } = await fetch(`http://localhost:${proxy.plainPort}/ops?x=1`, {
      redirect: "manual",
    });
    assert.ok([301, 308].includes(status), `${status}`);
    assert.match(headers.get("location")!, /^https:\/\/.*\/ops\?x=1$/);
  });
}

/** Runs curl on the stream, with the answer's headers in its output. */
function stream(proxy: ReverseProxy, certificates: Certificates, ...args: string[]): TestProcess {
  return TestProcess.start("curl", {
    args: ["-N", "-sS", "-i", "--cacert", certificates.caPath, ...args, proxy.url + STREAM],
  });
}

async function trusting(certificates: Certificates): Promise<Deno.HttpClient> {
  return Deno.createHttpClient({ caCerts: [await Deno.readTextFile(certificates.caPath)] });
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
