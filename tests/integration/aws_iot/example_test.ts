import assert from "node:assert/strict";
import { certificateProblems } from "../../../config/aws_certificates.ts";
import { AwsBroker, DEVICE } from "../../ingest/aws_iot/aws_broker.ts";
import { TestProcess } from "../../kit/servers/process.ts";
import { TempDir } from "../../kit/temp_dir.ts";

const ROOT = new URL("../../../", import.meta.url);
const DAY_MS = 86_400_000;

function example(cwd: string, env: Record<string, string>): TestProcess {
  return TestProcess.start(Deno.execPath(), {
    name: "example",
    args: [
      ...["run", "--allow-net", "--allow-read", "--allow-write=data", "--allow-env"],
      new URL("examples/aws_iot/main.ts", ROOT).pathname,
      "0.2",
    ],
    cwd,
    env,
  });
}

Deno.test("AWS IoT: the example publishes, handles commands, and keeps messages that it could not send", async () => {
  await using broker = await AwsBroker.start({ down: true });
  await using dir = await TempDir.create();
  const thing = await broker.thing();
  const env = {
    AWS_IOT_ENDPOINT: thing.endpoint,
    AWS_IOT_CERT_PATH: thing.certPath,
    AWS_IOT_KEY_PATH: thing.keyPath,
    AWS_IOT_CA_PATH: thing.caPath,
    AWS_IOT_CLIENT_ID: thing.clientId,
  };
  await broker.mosquitto.start();
  {
    await using subscriber = await broker.subscribe("bombercat/#");
    await using process = example(dir.path, env);
    await process.waitForOutput(/^connected: connected with MQTT 5/m);
    await process.waitForOutput(/^published/m);
    await broker.publish("bombercat/commands/X", '{"go":1}');
    await process.waitForOutput(/command for X: { go: 1 }/);
    const [started] = await subscriber.waitForMessages(3);
    assert.equal(JSON.parse(started!).event, "started");
    await broker.mosquitto.stop("SIGKILL");
    await process.waitForOutput(/^buffered/m);
    process.kill("SIGINT");
    assert.equal((await process.waitForExit()).code, 0);
  }
  await broker.mosquitto.start();
  await using subscriber = await broker.subscribe("bombercat/#");
  await using process = example(dir.path, env);
  await process.waitForOutput(/^connected/m);
  // Kept messages come first, before the event of the new start.
  const sent = (await subscriber.waitForMessages(4)).map((text) => JSON.parse(text));
  assert.ok(sent.every(({ device_id }) => device_id === DEVICE));
  const started = sent.findIndex(({ event }) => event === "started");
  assert.ok(started > 0 && sent[0].data, JSON.stringify(sent));
  const times = sent.map(({ timestamp }) => timestamp);
  assert.deepEqual(times, times.toSorted());
  process.kill("SIGINT");
  assert.equal((await process.waitForExit()).code, 0);
});

Deno.test("AWS IoT: the example says which variables are missing", async () => {
  await using dir = await TempDir.create();
  await using process = example(dir.path, { AWS_IOT_ENDPOINT: "localhost" });
  assert.equal((await process.waitForExit()).code, 2);
  assert.match(process.output, /AWS_IOT_CERT_PATH is not set/);
  assert.match(process.output, /AWS_IOT_CLIENT_ID is not set/);
});

Deno.test("AWS IoT: problems of certificates and keys are reported precisely", async () => {
  await using broker = await AwsBroker.start({ down: true });
  await using dir = await TempDir.create();
  const { certPath, keyPath, caPath } = await broker.thing();
  const other = await broker.thing("bombercat-other", { algorithm: "rsa" });
  const names = async (
    change: Partial<Record<"certPath" | "keyPath" | "caPath", string>>,
    now = Date.now(),
  ) => {
    const paths = { certPath, keyPath, caPath };
    for (const [key, text] of Object.entries(change)) {
      paths[key as keyof typeof paths] = await dir.write(key, text);
    }
    return certificateProblems(paths, now).map(({ name, message }) => `${name} ${message}`).join();
  };
  const read = (path: string) => Deno.readTextFile(path);
  assert.equal(await names({}), "");
  assert.match(await names({}, Date.now() - DAY_MS), /CERT_PATH .* not valid before .*CA_PATH/);
  assert.match(await names({}, Date.now() + 31 * DAY_MS), /CERT_PATH .* expired on .*CA_PATH/);
  assert.match(await names({ keyPath: await read(other.keyPath) }), /^AWS_IOT_KEY_PATH .* belong/);
  assert.match(await names({ keyPath: await read(certPath) }), /^AWS_IOT_KEY_PATH .* PEM key$/);
  assert.match(await names({ certPath: await read(keyPath) }), /^AWS_IOT_CERT_PATH .* PEM cert/);
  assert.match(await names({ certPath: "" }), /^AWS_IOT_CERT_PATH names a file without/);
  assert.match(await names({ caPath: "garbage" }), /^AWS_IOT_CA_PATH names a file without/);
  const damaged = (await read(caPath)).replace(/\n[A-Za-z0-9+/]{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
  assert.match(await names({ caPath: damaged }), /^AWS_IOT_CA_PATH names a certificate .*damaged/);
  const torn = (await read(keyPath)).replace(/\n[A-Za-z0-9+/]{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
  assert.match(await names({ keyPath: torn }), /^AWS_IOT_KEY_PATH names a key that is damaged/);
  const bundle = `# Amazon\n${await read(caPath)}\n${await read(caPath)}`;
  assert.equal(await names({ caPath: bundle }), "");
  const locked = dir.join("locked.key");
  await TestProcess.run("openssl", {
    args: ["pkey", "-in", keyPath, "-aes256", "-passout", "pass:x", "-out", locked],
  });
  assert.match(await names({ keyPath: await read(locked) }), /KEY_PATH .* is encrypted/);
  const folder = certificateProblems({ certPath: dir.path, keyPath: `${dir.path}/none`, caPath });
  assert.deepEqual(folder.map(({ name }) => name), ["AWS_IOT_CERT_PATH", "AWS_IOT_KEY_PATH"]);
});

Deno.test("docs/aws_iot.md: the policy is JSON and allows what Telecast needs", async () => {
  const text = await Deno.readTextFile(new URL("docs/aws_iot.md", ROOT));
  const [, json] = /```json\n([^]*?)```/.exec(text) ?? [];
  const { Statement } = JSON.parse(json!);
  const actions = Statement.map(({ Action }: { Action: string }) => Action);
  assert.deepEqual(actions, ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"]);
});
