/** Telecast as part of another program, in this process. */

import assert from "node:assert/strict";
import { ConfigError, InvalidTopicError, Telecast } from "../../mod.ts";
import { TestProcess } from "../kit/servers/process.ts";

const PROJECT = new URL("../../", import.meta.url).pathname;

Deno.test("Telecast.start() names every part of its configuration that is invalid", async () => {
  const named = async (env: Record<string, string>, ...flags: string[]) => {
    const error = await Telecast.start({ env, flags }).then(() => undefined, (error) => error);
    assert.ok(error instanceof ConfigError, `a ConfigError, not ${error}`);
    return error.problems.map(({ name }) => name);
  };
  assert.deepEqual(await named({ PORT: "x", MQTT_QOS: "9" }), ["PORT", "MQTT_QOS"]);
  assert.deepEqual(await named({}, "--nope"), ["--nope"]);
  const LOG_FILE = "/proc/nowhere/telecast.log";
  assert.deepEqual(await named({ DENO_KV_URL: "memory:", LOG_FILE }), ["LOG_FILE"]);
});

Deno.test("Telecast answers, adds companies, and rejects a publish without a broker", async () => {
  const env = { DENO_KV_URL: "memory:", LOG_LEVEL: "fatal" };
  await using telecast = await Telecast.start({ env });
  assert.deepEqual([telecast.backend, telecast.whatsapp], [undefined, undefined]);
  await telecast.addCompany("chia", "Chía");
  const get = async (path: string) =>
    await (await telecast.fetch(new Request(`http://telecast${path}`))).json();
  assert.deepEqual((await get("/api/v1/empresas")).empresas.at(-1), { id: "chia", name: "Chía" });
  assert.deepEqual(await get("/readyz"), { status: "ok" });
  await assert.rejects(telecast.publish("a", 1), /no MQTT broker is configured/);
  await assert.rejects(telecast.publish("a\tb", 1), InvalidTopicError);
  await telecast.stop();
});

Deno.test("each entry point passes a type check by itself, as its users check it", async () => {
  // In a check of the whole project, types from other files can hide errors.
  const args = ["check", "--quiet", "main.ts", "serve.ts", "mod.ts"];
  await TestProcess.run(Deno.execPath(), { args, cwd: PROJECT, timeoutMs: 300_000 });
});
