import assert from "node:assert/strict";
import { WebSocketSource, type WebSocketSourceConfig } from "../../../ingest/websocket/source.ts";
import { SteadyPace } from "../../../ingest/websocket/pace.ts";
import { eventually } from "../../kit/eventually.ts";
import { freePort } from "../../kit/ports.ts";
import { trackingPayload } from "../../kit/payload.ts";
import { WsUpstream } from "../../kit/servers/ws_upstream.ts";
import { SourceProbe } from "../runtime/source_probe.ts";

const QUICK = { tries: 5, quickMs: 20, slowMs: 40 };

function probe(url: string, config: Partial<WebSocketSourceConfig> = {}): SourceProbe {
  return new SourceProbe(() =>
    new WebSocketSource({ url, maxMessageBytes: 60_000, answers: true, pace: QUICK, ...config })
  );
}

const person = (id: string) => ({ from: "573001112233", id, type: "text", text: { body: "hola" } });

Deno.test("WebSocketSource accepts payloads, events and messages from people", async () => {
  await using upstream = WsUpstream.start();
  await using source = probe(upstream.url);
  const { socket } = await upstream.client();
  const tracking = trackingPayload("A", 1);
  const alarm =
    '{"tipo_mensaje":"alarmas","tipo_alarma":"ROJA","descripcion":"x","from":"panel 7"}';
  const iot = '{"timestamp":1.0,"device_id":"B","event":"boot","metadata":{}}';
  const odd = '{ "data" : {"DEVICE_ID":"C","x":1.0,"n":12345678901234567890} }';
  for (const payload of [tracking, alarm, iot]) socket.send(payload);
  socket.send(`{"event":"message","data":${odd},"id":"e-1-x"}`);
  socket.send('{"event":"ping","data":{"type":"keep-alive"}}');
  socket.send('{"event":"resumed","data":{"status":"full","replayed":0}}');
  socket.send('{"type":"ping"}');
  socket.send(`{"event":"batch","data":[{"data":${iot},"id":"e-2-x"}]}`);
  socket.send(JSON.stringify(person("wamid.1")));
  socket.send(`{"event":"message","data":${JSON.stringify(person("wamid.2"))}}`);
  await source.received(7);
  const again = JSON.stringify(JSON.parse(iot));
  assert.deepEqual(source.payloads.slice(0, 5), [tracking, alarm, iot, odd, again]);
  const people = source.taken.slice(5).map(({ inbound }) => inbound);
  assert.deepEqual(people.map((message) => message?.id), ["wamid.1", "wamid.2"]);
  assert.deepEqual(people.map((message) => message?.sender), ["573001112233", "573001112233"]);
  await eventually("acks", () => upstream.acked.length === 2);
  assert.deepEqual(upstream.acked, ["wamid.1", "wamid.2"]);
  assert.equal(
    upstream.clients[0]!.received.length,
    2,
    "only messages from people are answered",
  );
});

Deno.test("WebSocketSource acks a message once it is stored, on its own connection", async () => {
  await using upstream = WsUpstream.start();
  await using source = probe(upstream.url);
  source.autoAck = false;
  const first = await upstream.client();
  first.socket.send(JSON.stringify(person("wamid.1")));
  first.socket.send(JSON.stringify(person("wamid.2")));
  await source.received(2);
  source.taken[0]!.ack!();
  await eventually("one ack", () => upstream.acked.length === 1);
  first.socket.close();
  await eventually("connected again", () => upstream.clients.length === 2);
  const second = await upstream.client();
  source.taken[1]!.ack!();
  second.socket.send(JSON.stringify(person("wamid.2")));
  await source.received(3);
  source.taken[2]!.ack!();
  await eventually("the ack of the repeat", () => second.received.length === 1);
  assert.deepEqual(upstream.acked, ["wamid.1", "wamid.2"]);
});

Deno.test("WebSocketSource resumes a stream after the last stored message", async () => {
  await using upstream = WsUpstream.start();
  await using source = probe(`${upstream.url}?device_ids=A`);
  source.autoAck = false;
  const first = await upstream.client();
  for (const n of [1, 2, 3]) {
    first.socket.send(`{"event":"message","data":{"device_id":"A","n":${n}},"id":"c${n}"}`);
  }
  await source.received(3);
  source.taken[0]!.ack!();
  source.taken[1]!.ack!();
  const ping = '{"event":"ping","data":{"type":"keep-alive"},"id":"c9"}';
  first.socket.send(ping);
  first.socket.close();
  await eventually("connected again", () => upstream.clients.length === 2);
  const second = await upstream.client();
  const sinceOf = ({ query }: typeof second) => [query.get("since"), query.get("device_ids")];
  assert.deepEqual(sinceOf(second), ["c2", "A"], "the third is not stored");
  source.taken[2]!.ack!();
  second.socket.send('{"event":"resumed","data":{"status":"partial","replayed":0},"id":"c4"}');
  second.socket.send('{"event":"dropped","data":{"device_id":"A","count":3}}');
  second.socket.send(ping);
  second.socket.close();
  await eventually("connected once more", () => upstream.clients.length === 3);
  assert.deepEqual(sinceOf(await upstream.client()), ["c9", "A"], "all was stored at the ping");
  assert.ok(source.log.some((line) => /^warning .*replay: partial/.test(line)));
  assert.ok(source.log.some((line) => /^warning .*3 messages were dropped/.test(line)));
});

Deno.test("WebSocketSource keeps trying after any failure, and never shows the URL", async () => {
  const port = freePort();
  await using source = probe(`ws://127.0.0.1:${port}/ws?token=secret`);
  await source.waitingFor(/nothing listens there/);
  await eventually("many tries", () => source.reasons.length > 7);
  await using upstream = new WsUpstream();
  upstream.port = port;
  upstream.refuseWith = 401;
  upstream.start();
  await source.waitingFor(/answered 401/);
  upstream.refuseWith = undefined;
  await source.connected();
  await upstream.stop();
  await source.waitingFor(/./);
  upstream.start();
  await source.connected();
  (await upstream.client()).socket.send('{"device_id":"A"}');
  await source.received(1);
  assert.ok(!JSON.stringify([source.log, source.states]).includes("secret"));
});

Deno.test("WebSocketSource continues after garbage, binary and oversized frames", async () => {
  await using upstream = WsUpstream.start();
  await using source = probe(upstream.url);
  const { socket } = await upstream.client();
  for (const text of ["", "{", "null", "[]", "7", '{"event":"message"}', '{"from":{}}']) {
    socket.send(text);
  }
  socket.send(new Uint8Array([0xff, 0xfe, 0]));
  socket.send("x".repeat(1_048_576));
  socket.send(JSON.stringify({ device_id: "A", text: "x".repeat(100_000) }));
  socket.send('{"event":"error","data":{"code":"device_ids_required","message":"which?"}}');
  socket.send(new TextEncoder().encode('{"device_id":"A"}'));
  await source.received(11);
  assert.equal(source.payloads.at(-1), '{"device_id":"A"}');
  assert.equal(upstream.clients.length, 1, "the connection stays open");
  assert.ok(source.log.some((line) => line.includes("device_ids_required: which?")));
  const lines = source.log.length;
  for (let n = 0; n < 200; n++) socket.send('{"event":"error","data":{"code":"x"}}');
  socket.send('{"device_id":"A"}');
  await source.received(12);
  assert.ok(source.log.length <= lines + 5, "the number of lines is limited");
  assert.deepEqual(upstream.clients[0]!.received, [], "garbage is not answered");
  socket.send("x".repeat(5_000_000));
  await source.waitingFor(/4194304 bytes/);
  await eventually("connected again", () => upstream.clients.length === 2);
});

Deno.test("WebSocketSource stops reading while nothing can be stored and catches up", async () => {
  await using upstream = WsUpstream.start();
  await using source = probe(upstream.url);
  const { socket } = await upstream.client();
  source.credit = false;
  const total = 2_000;
  const text = "x".repeat(20_000);
  for (let n = 0; n < total; n++) socket.send(JSON.stringify({ device_id: "A", n, text }));
  let before = -1;
  await eventually("the server is held back, for good", () => {
    const held = socket.bufferedAmount > 10_000_000 && socket.bufferedAmount === before;
    before = socket.bufferedAmount;
    return held && source.taken.length > 0;
  }, { intervalMs: 200 });
  assert.ok(source.taken.length < 1_000, `${source.taken.length} were read`);
  source.credit = true;
  await source.received(total, 30_000);
  const numbers = source.payloads.map((payload) => JSON.parse(payload).n);
  assert.deepEqual(numbers, Array.from({ length: total }, (_, n) => n));
});

Deno.test("WebSocketSource reconnects quickly to a server that sent something", async () => {
  await using upstream = WsUpstream.start();
  await using source = probe(upstream.url, {
    pace: { tries: 2, quickMs: 10, slowMs: 3_600_000 },
  });
  for (let n = 1; n <= 6; n++) {
    await eventually(`connection ${n}`, () => upstream.clients.length === n);
    const { socket } = await upstream.client();
    socket.send('{"device_id":"A"}');
    await source.received(n);
    socket.close();
  }
});

Deno.test("WebSocketSource disconnects from a server that does not answer pings", async () => {
  // It completes the handshake and is silent from then on.
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  const conns: Deno.Conn[] = [];
  const serving = (async () => {
    for await (const conn of listener) {
      conns.push(conn);
      const buffer = new Uint8Array(4096);
      const count = await conn.read(buffer) ?? 0;
      const head = new TextDecoder().decode(buffer.subarray(0, count));
      const key = /Sec-WebSocket-Key: (.*)\r/i.exec(head)![1];
      const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
      const hash = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(key + guid));
      const accept = btoa(String.fromCharCode(...new Uint8Array(hash)));
      await conn.write(
        new TextEncoder().encode(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
        ),
      );
    }
  })();
  const source = probe(`ws://127.0.0.1:${port}/`, { pingMs: 50 });
  try {
    await source.waitingFor(/does not answer pings/);
  } finally {
    await source.stop();
    listener.close();
    await serving;
    for (const conn of conns) conn.close();
  }
});

Deno.test("WebSocketSource with answers: false sends nothing", async () => {
  await using upstream = WsUpstream.start();
  await using source = probe(upstream.url, { answers: false });
  const client = await upstream.client();
  client.socket.send(JSON.stringify(person("wamid.1")));
  await source.received(1);
  await source.stop();
  assert.deepEqual(client.received, []);
});

Deno.test("WebSocketSource treats messages with an id at DEVICE_ID_PATH as telemetry", async () => {
  await using upstream = WsUpstream.start();
  await using source = probe(upstream.url, { deviceIdPath: ["imei"] });
  const { socket } = await upstream.client();
  socket.send('{"imei":"1","phone":"573001112233"}');
  socket.send('{"phone":"573001112233","id":"x"}');
  await source.received(2);
  assert.deepEqual(source.taken.map(({ inbound }) => inbound?.id), [undefined, "x"]);
});

Deno.test("SteadyPace tries 5 times 3 s apart, then about every 30 s forever", () => {
  const pace = new SteadyPace();
  assert.deepEqual(Array.from({ length: 5 }, () => pace.next()), [3000, 3000, 3000, 3000, 3000]);
  for (let i = 0; i < 100; i++) {
    const ms = pace.next();
    assert.ok(ms >= 22_500 && ms <= 37_500, `${ms} ms`);
  }
  pace.reset();
  assert.equal(pace.next(), 3000);
});
