import assert from "node:assert/strict";
import { Telecast } from "../../client/telecast.ts";
import type { TelecastError, TelecastState } from "../../client/types.ts";
import { eventually } from "../kit/eventually.ts";
import { Recorder } from "../kit/recorder.ts";
import { StreamServer } from "./stream_server.ts";

const unauthorized = () => Response.json({ code: "unauthorized" }, { status: 401 });

function jwt(expiresInMs: number, name: string): string {
  const part = (value: unknown) => btoa(JSON.stringify(value)).replace(/=+$/, "");
  const exp = (Date.now() + expiresInMs) / 1000;
  return `${part({ alg: "none" })}.${part({ exp, name })}.${part("x")}`;
}

function open(server: StreamServer, options: Partial<ConstructorParameters<typeof Telecast>[1]>) {
  const client = new Telecast(server.url, {
    deviceIds: "*",
    backoff: { baseMs: 1, maxMs: 5 },
    ...options,
  });
  const states = new Recorder<TelecastState>("the client's states");
  const errors: TelecastError[] = [];
  client.on("state", (state) => states.add(state));
  client.on("error", (error) => errors.push(error));
  return Object.assign(client, { states, errors });
}

for (const transport of ["auto", "ws", "sse"] as const) {
  Deno.test(`Telecast asks for another token after a 401 (${transport}), without back-off`, async () => {
    await using server = new StreamServer();
    server.refuse = (_, token) => token === "good" ? undefined : unauthorized();
    const asked: boolean[] = [];
    await using client = open(server, {
      transport,
      token({ unauthorized }) {
        asked.push(unauthorized);
        return unauthorized ? "good" : undefined;
      },
    });
    await client.states.waitFor(({ state }) => state === "open");
    assert.equal(
      client.state.state === "open" && client.state.transport,
      transport === "sse" ? "sse" : "ws",
    );
    assert(asked.includes(true));
    assert.equal(client.states.items.some(({ state }) => state === "waiting"), false);
    assert.deepEqual(client.errors, []);
  });
}

Deno.test("Telecast closes if a token that never changes is refused", async () => {
  await using server = new StreamServer();
  server.refuse = unauthorized;
  await using client = open(server, { token: "bad" });
  await client.states.waitFor(({ state }) => state === "closed");
  assert.deepEqual(client.errors.map(({ code, fatal }) => ({ code, fatal })), [
    { code: "unauthorized", fatal: true },
  ]);
});

Deno.test("Telecast backs off while its token source returns tokens that are refused", async () => {
  await using server = new StreamServer();
  server.refuse = unauthorized;
  await using client = open(server, { transport: "sse", token: () => "bad" });
  await client.states.waitForCount(3, ({ state }) => state === "waiting");
  assert.equal(client.errors[0]!.code, "unauthorized");
  assert.equal(client.errors[0]!.fatal, false);
});

Deno.test("Telecast backs off while its token source fails", async () => {
  await using server = new StreamServer();
  let failures = 2;
  await using client = open(server, {
    token() {
      if (failures-- > 0) throw new Error("no sign-in service");
      return Promise.resolve("good");
    },
  });
  await client.states.waitFor(({ state }) => state === "open");
  assert.deepEqual(client.errors.map(({ code }) => code), ["token", "token"]);
});

Deno.test("Telecast switches to a new token before the old one expires", async () => {
  await using server = new StreamServer();
  let n = 0;
  // The renewal is due 10 s before the expiry: 50 ms from now for the first token.
  await using client = open(server, {
    token: () => jwt(n++ === 0 ? 10_050 : 3_600_000, `token ${n}`),
  });
  const first = await server.stream(0);
  const second = await server.stream(1);
  assert.notEqual(first.token, second.token);
  await first.closed;
  assert.deepEqual(client.errors, []);
});

Deno.test("Telecast requests a new token after a goodbye because the old one expired", async () => {
  await using server = new StreamServer();
  let n = 0;
  await using _client = open(server, { token: () => `token-${++n}` });
  const first = await server.stream(0);
  first.frame("goodbye", { reason: "token_expired", reconnect_ms: 0 });
  first.close();
  assert.equal((await server.stream(1)).token, "token-2");
});

Deno.test("Telecast sends a token as a parameter if it is not valid in a subprotocol", async () => {
  await using server = new StreamServer();
  await using _client = open(server, { token: "a b/c==" });
  assert.equal((await server.stream(0)).token, "a b/c==");
});

Deno.test("Telecast works without a token if its source has none", async () => {
  await using server = new StreamServer();
  await using client = open(server, { token: () => undefined });
  await eventually("open", () => client.state.state === "open");
  assert.equal(server.requests[0]!.token, undefined);
});
