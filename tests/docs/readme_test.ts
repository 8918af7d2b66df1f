import assert from "node:assert/strict";
import type { z } from "zod";
import { flagsOf } from "../../config/flags.ts";
import { helpOf } from "../../config/help.ts";
import { SOURCES } from "../../ingest/sources.ts";
import { VARIABLE_NAMES, VARIABLES } from "../kit/config.ts";
import { documents, read, rowsOf } from "./markdown.ts";

async function variableRows(): Promise<{ name: string; value: string }[]> {
  return rowsOf(await read("README.md")).flatMap(([first, second]) => {
    const name = /^`([A-Z][A-Z0-9_]+)`$/.exec(first ?? "")?.[1];
    return name === undefined ? [] : [{ name, value: second ?? "" }];
  });
}

Deno.test("the README's tables list every variable once, and no others", async () => {
  const names = (await variableRows()).map(({ name }) => name);
  assert.deepEqual(names.toSorted(), VARIABLE_NAMES.toSorted());
});

Deno.test("the README's tables list the defaults of the program", async () => {
  for (const { name, value } of await variableRows()) {
    const parsed = (VARIABLES[name] as z.ZodType).safeParse(undefined);
    assert.ok(parsed.success, name);
    if (parsed.data === undefined) continue;
    const expected = Array.isArray(parsed.data) ? parsed.data.join(",") : String(parsed.data);
    assert.equal(value, `\`${expected}\``, name);
  }
});

Deno.test("documents name only existing variables", async () => {
  const known = new Set<string>(VARIABLE_NAMES);
  const ours =
    /`((?:BROKER|MQTT|KAFKA|AWS_IOT|AUTH|QUEUE|DENO_KV|WHATSAPP|TLS|LOG|MAX)_[A-Z_]*[A-Z])/g;
  for (const path of await documents()) {
    for (const [, name] of (await read(path)).matchAll(ours)) {
      assert.ok(known.has(name!), `${path} names ${name}`);
    }
  }
});

Deno.test("documents name only existing tasks and flags", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  for (const path of await documents()) {
    const text = await read(path);
    for (const [, task] of text.matchAll(/deno task (?:--env-file=\S+ )?([a-z]+(?::[a-z]+)*)/g)) {
      assert.ok(Object.hasOwn(tasks, task!), `${path} names the task ${task}`);
    }
    for (const [, flag] of text.matchAll(/deno task (?:--env-file=\S+ )?start (--[a-z-]+)/g)) {
      assert.ok(flagsOf(SOURCES).has(flag!), `${path} names the flag ${flag}`);
    }
  }
  const ours = helpOf(SOURCES).replaceAll("deno task --env-file=", "");
  for (const flag of ours.match(/--[a-z-]+/g) ?? []) {
    assert.ok(flagsOf(SOURCES).has(flag), `--help names ${flag}`);
  }
});
