import assert from "node:assert/strict";
import { VARIABLE_NAMES } from "../kit/config.ts";
import { taskCommand } from "../kit/servers/telecast.ts";

for (const task of ["start", "dev"]) {
  Deno.test(`deno task ${task} may read only the program's variables`, async () => {
    const words = await taskCommand(task);
    const flag = words.find((word) => word.startsWith("--allow-env="));
    assert.ok(flag, "the task has no --allow-env=");
    const allowed = flag.slice("--allow-env=".length).split(",");
    const allows = (pattern: string, name: string) =>
      pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
    const missing = VARIABLE_NAMES.filter((name) => !allowed.some((part) => allows(part, name)));
    assert.deepEqual(missing, []);
    const idle = allowed.filter((part) => !VARIABLE_NAMES.some((name) => allows(part, name)));
    assert.deepEqual(idle, []);
    // Libraries that list the whole environment get nothing, instead of an exception.
    assert.ok(words.includes("--ignore-env"));
  });

  Deno.test(`deno task ${task} may write only to ./data, and start no process`, async () => {
    const words = await taskCommand(task);
    const permissions = words.filter((word) => /^(--allow-|-[A-Z]+$)/.test(word));
    const known = /^--allow-(net|read|write=data|env=.*)$/;
    assert.deepEqual(permissions.filter((word) => !known.test(word)), []);
  });
}

Deno.test("the container runs with the permissions of deno task start", async () => {
  const dockerfile = await Deno.readTextFile(new URL("../../Dockerfile", import.meta.url));
  const command = dockerfile.slice(dockerfile.lastIndexOf("\nCMD ") + 5).replaceAll("\\\n", "");
  const words = (JSON.parse(command) as string[]).filter((word) => word !== "--cached-only");
  assert.deepEqual(words, await taskCommand("start"));
});

Deno.test("the container's image has the Deno version that CI runs", async () => {
  const read = (path: string) => Deno.readTextFile(new URL(path, import.meta.url));
  const image = (await read("../../Dockerfile")).match(/^FROM denoland\/deno:(.*)$/m)?.[1];
  const ci = (await read("../../.ci/run")).match(/^DENO_VERSION=(.*)$/m)?.[1];
  assert.equal(image, ci);
});

Deno.test(".env.example explains every variable, and no others", async () => {
  const example = await Deno.readTextFile(new URL("../../.env.example", import.meta.url));
  const explained = [...example.matchAll(/^(?:# )?([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name);
  assert.deepEqual(explained.toSorted(), VARIABLE_NAMES.toSorted());
});
