import assert from "node:assert/strict";
import { read, rowsOf } from "./markdown.ts";
import { walk } from "./walk.ts";

/** Codes composed of `bad_` and the name of a parameter. */
const COMPOSED = ["bad_max_rate", "bad_snapshot", "bad_presence", "bad_limit", "bad_next"];

/** The error codes in the source. */
async function codes(): Promise<Set<string>> {
  const found = new Set(COMPOSED);
  const paths = [...await walk("routes", ".ts"), "broker/messages/interest.ts"]
    .filter((path) => !path.startsWith("routes/pages/"));
  for (const path of paths) {
    const text = await read(path);
    const places = [
      /\bcode: "([a-z_]+)"/g,
      /(?:QueryError|TokenError|InterestError|#error|refuse)\(\s*"([a-z_]+)"/g,
    ];
    for (const place of places) for (const [, code] of text.matchAll(place)) found.add(code!);
  }
  return found;
}

Deno.test("docs/connect.md lists the code of every error", async () => {
  const text = await read("docs/connect.md");
  const section = text.slice(text.indexOf("\n## Errors"), text.indexOf("\n## Other routes"));
  const listed = rowsOf(section).flatMap(([first]) => first?.match(/(?<=`)[a-z_]+(?=`)/g) ?? []);
  const missing = [...await codes()].filter((code) => !listed.includes(code));
  assert.deepEqual(missing, [], "missing from the table of errors in docs/connect.md");
  const repeated = listed.filter((code, i) => listed.indexOf(code) !== i);
  assert.deepEqual(repeated, [], "listed twice in the table of errors in docs/connect.md");
});

Deno.test("README.md and docs/connect.md list the same parameters and events", async () => {
  const firstCells = async (path: string, from: string, to: string) => {
    const text = await read(path);
    const start = text.indexOf(from);
    assert.ok(start >= 0, `${path} has no ${from}`);
    return rowsOf(text.slice(start, text.indexOf(to, start + from.length)))
      .map(([cell]) => /^`([a-z_]+)/.exec(cell ?? "")?.[1]).filter((name) => name !== undefined);
  };
  assert.deepEqual(
    await firstCells("README.md", "### Parameters", "### Events"),
    await firstCells("docs/connect.md", "## Parameters", "## The two forms"),
  );
  assert.deepEqual(
    await firstCells("README.md", "### Events", "## Deploy"),
    await firstCells("docs/connect.md", "## Events", "## Cursors"),
  );
});
