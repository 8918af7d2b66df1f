import assert from "node:assert/strict";
import { billOfMaterials } from "../../deploy/sbom.ts";

const read = (name: string) => Deno.readTextFile(new URL(`../../${name}`, import.meta.url));
const APP = { name: "@telecast/telecast", version: "1.2.3" };

Deno.test("the bill of materials lists every locked package, with its hash and its dependents", async () => {
  const lock = await read("deno.lock");
  const { components, dependencies } = await billOfMaterials(lock, APP);
  const { npm } = JSON.parse(lock);
  assert.equal(components.length, Object.keys(npm).length);
  for (const { hashes, purl } of components) {
    assert.match(purl, /^pkg:npm\/(%40[^/]+\/)?[^@/]+@\d+\.\d+\.\d+\S*$/);
    assert.match(hashes[0]!.content, /^[0-9a-f]{128}$/);
  }
  const known = new Set(components.map((component) => component["bom-ref"]));
  for (const { dependsOn } of dependencies) {
    for (const ref of dependsOn) assert.ok(known.has(ref), ref);
  }
  const named = Object.values(
    JSON.parse(await read("deno.json")).imports as Record<string, string>,
  );
  const direct = named.map((one) => `pkg:npm/${one.slice("npm:".length).replace(/^@/, "%40")}`);
  const [root] = dependencies;
  for (const one of direct) assert.ok(root!.dependsOn.includes(one), one);
});

Deno.test("the same lock file gives the same bill of materials", async () => {
  const lock = await read("deno.lock");
  assert.deepEqual(await billOfMaterials(lock, APP), await billOfMaterials(lock, APP));
  const other = await billOfMaterials(lock, { ...APP, version: "1.2.4" });
  assert.notEqual((await billOfMaterials(lock, APP)).serialNumber, other.serialNumber);
});

Deno.test("only tests and benchmarks run with all permissions, no other task and no image", async () => {
  const { tasks } = JSON.parse(await read("deno.json")) as { tasks: Record<string, string> };
  const wide = Object.entries(tasks).filter(([, command]) => / (-A|--allow-all)( |$)/.test(command))
    .map(([name]) => name);
  assert.deepEqual(
    wide.filter((name) => !/^(test|bench|profile|soak|hold|conformance)/.test(name)),
    [],
  );
  for (const file of ["Dockerfile", "docker-compose.yml"]) {
    assert.doesNotMatch(await read(file), /--allow-all|"-A"|--allow-run|--allow-ffi/, file);
  }
});
