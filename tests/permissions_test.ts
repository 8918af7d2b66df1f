import assert from "node:assert/strict";
import { VARIABLE_NAMES } from "../config.ts";
import { taskCommand } from "./kit/telecast.ts";

/** Variables that libraries read, and the program's configuration does not. */
const LIBRARY_VARIABLES: readonly string[] = [];

for (const task of ["start", "dev"]) {
  Deno.test(`deno task ${task} may read the program's variables and no others`, async () => {
    const words = await taskCommand(task);
    const flag = words.find((word) => word.startsWith("--allow-env="));
    assert.ok(flag, "the task has no --allow-env=");
    const allowed = flag.slice("--allow-env=".length).split(",");
    assert.deepEqual(allowed.toSorted(), [...VARIABLE_NAMES, ...LIBRARY_VARIABLES].toSorted());
    // Libraries that list the whole environment get nothing, in place of an exception.
    assert.ok(words.includes("--ignore-env"));
  });

  Deno.test(`deno task ${task} may write ./data only, and start no process`, async () => {
    const words = await taskCommand(task);
    const permissions = words.filter((word) => /^(--allow-|-[A-Z]+$)/.test(word));
    const known = /^--allow-(net|read|write=data|env=.*)$/;
    assert.deepEqual(permissions.filter((word) => !known.test(word)), []);
  });
}
