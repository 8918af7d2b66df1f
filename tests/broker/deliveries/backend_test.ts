import assert from "node:assert/strict";
import { Backend } from "../../../broker/deliveries/backend.ts";
import { DeliveryError } from "../../../broker/deliveries/delivery.ts";
import { WhatsApp } from "../../../broker/deliveries/whatsapp.ts";
import { BackendServer } from "../../kit/servers/backend.ts";

const never = new AbortController().signal;

Deno.test("Backend asks for companies, alerts and one alert", async () => {
  await using server = await BackendServer.start();
  server.answer = ({ path }) => ({ path });
  const backend = new Backend({ url: server.url });
  assert.deepEqual(await backend.verifyCompanySite("Cota & Cía", "sede 1"), {
    path: "/api/mqtt-alerts/verify-empresa-sede?empresa=Cota+%26+C%C3%ADa&sede=sede+1",
  });
  assert.deepEqual(await backend.alerts(), { path: "/api/mqtt-alerts" });
  assert.deepEqual(await backend.alert("a/b"), { path: "/api/mqtt-alerts/a%2Fb" });
  server.behave = () => 404;
  await assert.rejects(backend.alert("x"), (error) => {
    return error instanceof DeliveryError && error.permanent && /answered 404/.test(error.message);
  });
});

Deno.test("Backend.process() returns the numbers in the answer, but no more than fit in a job", async () => {
  await using server = await BackendServer.start();
  const backend = new Backend({ url: server.url });
  const named = async (answer: unknown) => {
    server.answer = () => answer;
    return await backend.process({}, "1", never);
  };
  assert.deepEqual(await named({ recipients: ["573001112233", 573001112234, "x", null, {}] }), [
    "573001112233",
    "573001112234",
  ]);
  assert.deepEqual(await named({ recipients: "573001112233" }), []);
  assert.deepEqual(await named(null), []);
  const many = Array.from({ length: 10_000 }, (_, n) => `${573001110000 + n}`);
  assert.deepEqual(await named({ recipients: many }), many.slice(0, 500));
});

Deno.test("WhatsApp sends texts and templates with the bearer token; errors contain neither number nor token", async () => {
  await using server = await BackendServer.start();
  const whatsapp = new WhatsApp({ url: `${server.url}/v20.0/1/`, token: "a-secret" });
  await whatsapp.send("+573001112233", { type: "text", text: "hola" }, never);
  const values = ["AZUL", "Cota"];
  await whatsapp.send(
    "573001112233",
    { type: "template", name: "alarma", language: "es_CO", values },
    never,
  );
  await whatsapp.send("1", { type: "template", name: "x", language: "es", values: [] }, never);
  const base = { messaging_product: "whatsapp", to: "573001112233" };
  assert.deepEqual(server.calls.map(({ body }) => body), [
    { ...base, type: "text", text: { body: "hola" } },
    {
      ...base,
      type: "template",
      template: {
        name: "alarma",
        language: { code: "es_CO" },
        components: [{ type: "body", parameters: values.map((text) => ({ type: "text", text })) }],
      },
    },
    { ...base, to: "1", type: "template", template: { name: "x", language: { code: "es" } } },
  ]);
  for (const { path, headers } of server.calls) {
    assert.deepEqual([path, headers.authorization], ["/v20.0/1/messages", "Bearer a-secret"]);
  }
  server.behave = () => 400;
  await assert.rejects(
    whatsapp.send("573001112233", { type: "text", text: "hola" }, never),
    (error) => !/a-secret|5730/.test(String(error)) && /answered 400/.test(String(error)),
  );
});

Deno.test("WhatsApp cuts texts at 4,096 characters with a mark, and never within a character", async () => {
  await using server = await BackendServer.start();
  const whatsapp = new WhatsApp({ url: `${server.url}/1`, token: "t" });
  const sent = async (text: string): Promise<string> => {
    await whatsapp.send("1", { type: "text", text }, never);
    return server.calls.at(-1)!.body.text.body;
  };
  assert.equal(await sent("a".repeat(4_096)), "a".repeat(4_096));
  assert.equal(await sent("a".repeat(4_097)), `${"a".repeat(4_095)}…`);
  for (const before of ["", "a"]) {
    const text = await sent(before + "🚨".repeat(3_000));
    assert.ok(text.length <= 4_096 && text.length >= 4_094, `${text.length}`);
    assert.ok(text.isWellFormed());
    assert.match(text, /🚨…$/u);
  }
  assert.equal(await sent("a\ud83d"), "a\ufffd");
});

Deno.test("WhatsApp sends template values as the Cloud API accepts them: one line of 1,024 characters", async () => {
  await using server = await BackendServer.start();
  const whatsapp = new WhatsApp({ url: `${server.url}/1`, token: "t" });
  const values = ["a\n\tb     c", "x".repeat(2_000)];
  const message = { type: "template", name: "n", language: "es", values } as const;
  await whatsapp.send("1", message, never);
  const [first, second] = server.calls[0]!.body.template.components[0].parameters;
  assert.equal(first.text, "a b c");
  assert.equal(second.text, `${"x".repeat(1_023)}…`);
});

Deno.test("Backend and WhatsApp keep the query of their URL, and errors do not contain it", async () => {
  await using server = await BackendServer.start();
  const backend = new Backend({ url: `${server.url}/base/?token=a-secret` });
  const whatsapp = new WhatsApp({ url: `${server.url}/v1/2?token=a-secret`, token: "t" });
  const calls = [
    () => backend.process({}, "1", never),
    () => backend.verifyCompanySite("a", "b"),
    () => whatsapp.send("1", { type: "text", text: "x" }, never),
  ];
  for (const call of calls) await call();
  assert.deepEqual(server.calls.map(({ path }) => path), [
    "/base/api/mqtt-alerts/process?token=a-secret",
    "/base/api/mqtt-alerts/verify-empresa-sede?token=a-secret&empresa=a&sede=b",
    "/v1/2/messages?token=a-secret",
  ]);
  const failures = async () => {
    for (const call of calls) {
      await assert.rejects(call(), (error) => !Deno.inspect(error).includes("a-secret"));
    }
  };
  for (const answer of [500, 400, "reset"] as const) {
    server.behave = () => answer;
    await failures();
  }
  await server.stop();
  await failures();
});
