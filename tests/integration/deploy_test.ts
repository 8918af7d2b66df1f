/** Deployment files, checked by the tools that read them. */

import assert from "node:assert/strict";
import { parse } from "yaml";
import { walk } from "../docs/walk.ts";
import { eventually } from "../kit/eventually.ts";
import { freePort } from "../kit/ports.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { TempDir } from "../kit/temp_dir.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const CACHE = `${Deno.env.get("HOME")}/.cache/telecast`;
const PROFILES = ["cluster", "redpanda", "observability"];

function read(path: string): Promise<string> {
  return Deno.readTextFile(ROOT + path);
}

Deno.test("hadolint finds no problem in the Dockerfile", async () => {
  await TestProcess.run(`${CACHE}/lint/bin/hadolint`, { args: [`${ROOT}Dockerfile`] });
});

Deno.test("Compose accepts docker-compose.yml with .env.example, and reports missing passwords", async () => {
  await using dir = await TempDir.create();
  await dir.write("docker-compose.yml", await read("docker-compose.yml"));
  const load = (...profiles: string[]) =>
    TestProcess.start(`${CACHE}/compose`, { args: profiles, cwd: dir.path });
  const example = await read(".env.example");
  await dir.write(".env", example);
  await using missing = load();
  assert.notEqual((await missing.waitForExit()).code, 0);
  assert.match(missing.output, /MQTT_PASSWORD.*set MQTT_PASSWORD in \.env/);
  assert.match(missing.output, /set DENO_KV_ACCESS_TOKEN in \.env/);

  const set = example.replace(
    /^#? ?(MQTT_PASSWORD|DENO_KV_ACCESS_TOKEN)=.*$/gm,
    "$1=0123456789abc",
  );
  await dir.write(".env", set);
  await using plain = load();
  assert.equal((await plain.waitForExit()).code, 0, plain.output);
  const services = (text: string) => Object.keys(JSON.parse(text).services).sort();
  assert.deepEqual(services(plain.stdout), ["denokv", "mosquitto", "telecast"]);
  for (const profile of PROFILES) {
    await using loaded = load(profile);
    assert.equal((await loaded.waitForExit()).code, 0, loaded.output);
    assert.ok(services(loaded.stdout).length > 3, profile);
  }
});

Deno.test("every Kubernetes file matches its schema, without unknown fields", async () => {
  const paths = (await walk("deploy/kubernetes", ".yaml"))
    .filter((path) => !path.endsWith("kustomization.yaml"));
  assert.ok(paths.length >= 8);
  await TestProcess.run(`${CACHE}/lint/bin/kubernetes-validate`, {
    args: ["--strict", ...paths.map((path) => ROOT + path)],
  });
  const { resources } = parse(await read("deploy/kubernetes/kustomization.yaml"));
  const applied = resources.map((name: string) => `deploy/kubernetes/${name}`);
  const rest = paths.filter((path) => !applied.includes(path));
  assert.deepEqual(rest, ["deploy/kubernetes/secret.example.yaml"]);
});

Deno.test("systemd accepts the unit and rates its exposure as low", async () => {
  await using dir = await TempDir.create();
  const unit = (await read("deploy/systemd/telecast.service"))
    .replace("/usr/local/bin/deno", Deno.execPath());
  const path = await dir.write("telecast.service", unit);
  const analyze = (...args: string[]) =>
    TestProcess.run("systemd-analyze", { args: [...args, path] });
  await analyze("verify", "--man=no");
  const report = await analyze("security", "--offline=true", "--no-pager");
  const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(report)?.[1]);
  assert.ok(exposure <= 2, report);
});

Deno.test("the cluster's HAProxy sends clients to instances that are ready", async () => {
  await using telecast = await Telecast.start();
  await using dir = await TempDir.create();
  const port = freePort();
  let config = (await read("deploy/haproxy/haproxy.cfg"))
    .replace("bind :8080", `bind 127.0.0.1:${port}`).replace("maxconn 20000", "maxconn 200")
    // Without Docker there are no names, so two of the three instances are missing.
    .replace(" resolvers docker", "");
  for (const [name, to] of [["telecast", telecast.port], ["telecast-2", 1], ["telecast-3", 1]]) {
    assert.ok(config.includes(` ${name}:8000`));
    config = config.replace(` ${name}:8000`, ` 127.0.0.1:${to}`);
  }
  const path = await dir.write("haproxy.cfg", config);
  await using haproxy = TestProcess.start("/usr/sbin/haproxy", { args: ["-db", "-f", path] });
  await eventually("a stream through HAProxy", async () => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/stream`);
    await response.body?.cancel();
    return response.status === 200;
  });
  haproxy.kill("SIGKILL");
});

Deno.test("the program exports the autoscaler's metric", async () => {
  await using telecast = await Telecast.start();
  const metrics = await (await fetch(`${telecast.url}/metrics`)).text();
  const [metric] = parse(await read("deploy/kubernetes/hpa.yaml")).spec.metrics;
  assert.match(metrics, new RegExp(`^${metric.pods.metric.name}[{ ]`, "m"));
});

Deno.test("the bill of materials is valid CycloneDX", async () => {
  await using dir = await TempDir.create();
  const bill = await TestProcess.run(Deno.execPath(), { args: ["task", "-q", "sbom"], cwd: ROOT });
  const path = await dir.write("sbom.json", bill);
  const script = `
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open("${path}").read())
assert problem is None, problem
`;
  await TestProcess.run(`${CACHE}/lint/bin/python`, { args: ["-c", script] });
});
