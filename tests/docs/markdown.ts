/** Reads the project's documentation. */

import { walk } from "./walk.ts";

export const ROOT = new URL("../../", import.meta.url);

/** The documents that tests compare with the program. */
export async function documents(): Promise<string[]> {
  const paths = ["README.md", "README.es.md", "CONTRIBUTING.md", "CHANGELOG.md"];
  for (const folder of ["docs", "examples"]) paths.push(...await walk(folder, ".md"));
  return paths.sort();
}

export function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

export interface Block {
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of a document, in order. */
export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^([ ]*)```(\w*)\n([\s\S]*?)^\1```$/gm)].map(
    ([, indent, language, text]) => ({
      language: language!,
      text: text!.split("\n").map((line) => line.slice(indent!.length)).join("\n"),
    }),
  );
}

/** The commands of a shell block, without comments, with continued lines joined. */
export function commandsOf(shell: string): string[] {
  return shell.replace(/\\\n\s*/g, "").split("\n")
    .map((line) => line.replace(/(^|\s)#\s.*$/, "").trim())
    .filter((line) => line !== "" && !/^[A-Z_]+=\S*$/.test(line));
}

/** The cells of the rows of all tables. */
export function rowsOf(markdown: string): string[][] {
  return markdown.split("\n").filter((line) => /^\|.*\|$/.test(line) && !/^\|[ |:-]+\|$/.test(line))
    .map((line) => line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim()));
}

/** The ids that GitHub gives to the headings. */
export function anchorsOf(markdown: string): Set<string> {
  const outside = markdown.replace(/^```[\s\S]*?^```$/gm, "");
  return new Set(
    [...outside.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    ),
  );
}
