import assert from "node:assert/strict";
import { anchorsOf, documents, read, ROOT } from "./markdown.ts";

Deno.test("links between documents point to existing files and headings", async () => {
  const dead: string[] = [];
  for (const path of await documents()) {
    const text = (await read(path)).replace(/^```[\s\S]*?^```$/gm, "").replace(/`[^`\n]*`/g, "");
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const [file = "", anchor] = target!.split("#");
      const url = file === "" ? new URL(path, ROOT) : new URL(file, new URL(path, ROOT));
      const found = await Deno.stat(url).then((stat) => stat, () => undefined);
      const page = found?.isFile && anchor ? await Deno.readTextFile(url) : undefined;
      if (!found || (page && !anchorsOf(page).has(anchor!))) dead.push(`${path}: ${target}`);
    }
  }
  assert.deepEqual(dead, []);
});
