import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { eventually } from "../../kit/eventually.ts";
import { HANDSHAKE } from "../raw.ts";
import { everyServer } from "../rig.ts";
import { answers, connect, message, SECRET, UnsteadyKv } from "./inbound_kit.ts";

everyServer.test("WS /ws requires a token with the scope publish, and ends when it expires", async ({ start }) => {
  const env = { AUTH_JWT_SECRET: SECRET, AUTH_CLOCK_SKEW_SECONDS: "0" };
  await using rig = await start({ env });
  const sign = (scope: string, seconds: number) =>
    new SignJWT({ scope, exp: Math.ceil(Date.now() / 1000) + seconds })
      .setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(SECRET));
  const refusal = async (query: string) => {
    await using raw = await rig.raw();
    await raw.request(`/ws${query}`, HANDSHAKE);
    return (await raw.head()).status;
  };
  assert.equal(await refusal(""), 401);
  assert.equal(await refusal(`?access_token=${await sign("stream", 60)}`), 403);
  const token = await sign("publish", 2);
  await using peer = await connect(rig, "", { protocols: [`bearer.${token}`] });
  assert.equal(peer.protocol, `bearer.${token}`);
  peer.send(message("wamid.1"));
  const goodbye = { event: "goodbye", data: { reason: "token_expired", reconnect_ms: 0 } };
  assert.deepEqual((await answers(peer, 2))[1], goodbye);
  assert.equal((await peer.waitForClose()).code, 1001);
});

everyServer.test("WS /ws applies CORS_ORIGINS to pages, and answers requests that are not WebSockets", async ({ start }) => {
  await using rig = await start({ env: { CORS_ORIGINS: "https://good.example" } });
  const status = async (origin: string) => {
    await using raw = await rig.raw();
    await raw.request("/ws", [...HANDSHAKE, `Origin: ${origin}`]);
    return (await raw.head()).status;
  };
  assert.equal(await status("https://bad.example"), 403);
  assert.equal(await status("https://good.example"), 101);
  const plain = await rig.fetch("/ws");
  assert.deepEqual([plain.status, (await plain.json()).code], [426, "websocket_required"]);
});

everyServer.test("WS /ws accepts the same handshakes as the stream", async ({ start }) => {
  await using rig = await start();
  const handshake = async (name: string, value: string) => {
    await using raw = await rig.raw();
    const others = HANDSHAKE.filter((line) => !line.startsWith(name));
    await raw.request("/ws", [...others, `${name}: ${value}`]);
    const { status, headers } = await raw.head();
    return [status, headers.get("sec-websocket-version")];
  };
  assert.deepEqual(await handshake("Upgrade", "h2c, WebSocket"), [101, null]);
  assert.deepEqual(await handshake("Sec-WebSocket-Version", "8"), [426, "13"]);
});

everyServer.test("WS /ws answers waiting messages before a drain ends the connection", async ({ start }) => {
  const work = new UnsteadyKv();
  await using rig = await start({ work });
  await using peer = await connect(rig);
  work.away = true;
  peer.send(message("wamid.1"));
  await eventually("it waits", () => rig.inbound.inbox.pending === 1);
  const drained = rig.inbound.drain(10);
  work.away = false;
  await drained;
  const said = await answers(peer, 2);
  assert.deepEqual(said.map(({ event }) => event), ["ack", "goodbye"]);
  assert.equal(said[1].data.reason, "drain");
  assert.equal((await peer.waitForClose()).code, 1001);
});
