/** Checks that the files under deploy/ and docker-compose.yml agree with the program. */

import assert from "node:assert/strict";
import { parse, parseAllDocuments } from "yaml";
import type { z } from "zod";
import { VARIABLE_NAMES, VARIABLES } from "../kit/config.ts";
import { read } from "./markdown.ts";
import { walk } from "./walk.ts";

/** Variables that Deno reads, not the program. */
const DENO = ["DENO_DIR", "DENO_NO_UPDATE_CHECK", "NO_COLOR"];

// deno-lint-ignore no-explicit-any -- documents of many shapes
type Document = any;

async function kubernetes(): Promise<Document[]> {
  const documents: Document[] = [];
  for (const path of await walk("deploy/kubernetes", ".yaml")) {
    for (const document of parseAllDocuments(await read(path))) {
      documents.push(document.toJS());
    }
  }
  return documents;
}

async function compose(): Promise<Record<string, Document>> {
  return parse(await read("docker-compose.yml"), { merge: true }).services;
}

const ofKind = (documents: Document[], kind: string, name: string) =>
  documents.find((one) => one.kind === kind && one.metadata.name === name);

function assertVariables(names: Iterable<string>, where: string): void {
  const known = new Set<string>([...VARIABLE_NAMES, ...DENO]);
  assert.deepEqual([...names].filter((name) => !known.has(name)), [], where);
}

const formOf = (name: string) => VARIABLES[name] as z.ZodType;

/** The value that a file sets for a variable, or its default. */
function valueOf(name: string, set: Record<string, string>): unknown {
  return formOf(name).parse(set[name]);
}

Deno.test("compose and Kubernetes set only known variables, to valid values", async () => {
  const services = await compose();
  for (const name of ["telecast", "telecast-2", "telecast-3"]) {
    assertVariables(Object.keys(services[name].environment), name);
  }
  const documents = await kubernetes();
  const { data } = ofKind(documents, "ConfigMap", "telecast");
  const { stringData } = ofKind(documents, "Secret", "telecast");
  assertVariables([...Object.keys(data), ...Object.keys(stringData)], "deploy/kubernetes");
  for (const [name, value] of Object.entries(data)) {
    assert.ok(formOf(name).safeParse(value).success, name);
  }
  const unit = await read("deploy/systemd/telecast.service");
  const line = /^Environment=(.*)$/m.exec(unit)![1]!;
  assertVariables(line.split(" ").map((pair) => pair.split("=")[0]!), "deploy/systemd");
});

Deno.test("compose, Kubernetes, the image and the proxies use the program's port", async () => {
  const port = Number(formOf("PORT").parse(undefined));
  const services = await compose();
  const documents = await kubernetes();
  const [container] = ofKind(documents, "Deployment", "telecast").spec.template.spec.containers;
  assert.equal(container.ports[0].containerPort, port);
  assert.equal(ofKind(documents, "Service", "telecast").spec.ports[0].targetPort, "http");
  assert.match(await read("Dockerfile"), new RegExp(`^EXPOSE ${port}$`, "m"));
  for (const name of ["telecast", "telecast-2", "telecast-3"]) {
    assert.equal(services[name].environment.PORT, String(port));
  }
  assert.deepEqual(services.telecast.ports, [`\${PORT:-${port}}:${port}`]);
  const haproxy = await read("deploy/haproxy/haproxy.cfg");
  assert.deepEqual(haproxy.match(/^ +server \w+ \S+/gm)!.map((line) => line.trim().split(" ")[2]), [
    `telecast:${port}`,
    `telecast-2:${port}`,
    `telecast-3:${port}`,
  ]);
  assert.match(haproxy, /bind :8080$/m);
  assert.deepEqual(services.haproxy.ports, ["${CLUSTER_PORT:-8080}:8080"]);
  for (const file of ["nginx.conf", "haproxy.cfg", "Caddyfile"]) {
    assert.ok((await read(`deploy/proxies/${file}`)).includes(`127.0.0.1:${port}`), file);
  }
  const kv = ofKind(documents, "Service", "denokv").spec.ports[0].port;
  const { data } = ofKind(documents, "ConfigMap", "telecast");
  assert.equal(data.DENO_KV_URL, `http://denokv:${kv}`);
  assert.equal(services.telecast.environment.DENO_KV_URL, `http://denokv:${kv}`);
});

Deno.test("every supervisor waits longer than the program takes to drain", async () => {
  const documents = await kubernetes();
  const { spec } = ofKind(documents, "Deployment", "telecast").spec.template;
  const [container] = spec.containers;
  const preStop = Number(container.lifecycle.preStop.exec.command[1]);
  const { data } = ofKind(documents, "ConfigMap", "telecast");
  const drain = Number(valueOf("DRAIN_SECONDS", data));
  assert.ok(spec.terminationGracePeriodSeconds > preStop + drain + 5);
  const ownDrain = Number(valueOf("DRAIN_SECONDS", {}));
  const services = await compose();
  assert.ok(parseInt(services.telecast.stop_grace_period) > ownDrain + 5);
  const unit = await read("deploy/systemd/telecast.service");
  assert.ok(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)![1]) > ownDrain + 5);
});

Deno.test("probes use existing routes; pods run unprivileged as the image's user", async () => {
  const documents = await kubernetes();
  const { spec } = ofKind(documents, "Deployment", "telecast").spec.template;
  const [container] = spec.containers;
  assert.equal(container.livenessProbe.httpGet.path, "/livez");
  assert.equal(container.startupProbe.httpGet.path, "/livez");
  assert.equal(container.readinessProbe.httpGet.path, "/readyz");
  const user = /^USER (\d+)/m.exec(await read("Dockerfile"))?.[1];
  assert.equal(String(spec.securityContext.runAsUser), user);
  for (const kind of ["Deployment", "StatefulSet"]) {
    for (
      const { spec } of documents.filter((one) => one.kind === kind).map((one) => one.spec.template)
    ) {
      assert.equal(spec.securityContext.runAsNonRoot, true);
      for (const { securityContext, resources } of spec.containers) {
        assert.equal(securityContext.readOnlyRootFilesystem, true);
        assert.deepEqual(securityContext.capabilities.drop, ["ALL"]);
        assert.ok(resources.requests && resources.limits.memory);
      }
    }
  }
});

Deno.test("the same version of denokv is used everywhere", async () => {
  const install = /denokv --locked --version (\S+)/.exec(
    await read("tests/integration/install.sh"),
  )![1];
  const image = `ghcr.io/denoland/denokv:${install}`;
  assert.equal((await compose()).denokv.image, image);
  const denokv = ofKind(await kubernetes(), "StatefulSet", "denokv");
  assert.equal(denokv.spec.template.spec.containers[0].image, image);
});

Deno.test("the files that compose mounts exist", async () => {
  for (const [name, { volumes = [] }] of Object.entries(await compose())) {
    for (const volume of volumes as string[]) {
      const [from] = volume.split(":");
      if (!from!.startsWith("./")) continue;
      await assert.doesNotReject(
        Deno.stat(new URL(`../../${from}`, import.meta.url)),
        `${name} ${from}`,
      );
    }
  }
});
