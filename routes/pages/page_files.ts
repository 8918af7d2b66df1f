/** The files of both pages, with modules stripped of types, under names that change with them. */

import { createHash } from "node:crypto";
import { stripTypeScriptTypes } from "node:module";
import { Asset } from "./asset.ts";
import { LIVE_FILES, LIVE_HTML } from "./live/files.ts";
import { OPS_FILES, OPS_HTML } from "./ops/files.ts";
import { SHARED_FILES, SHARED_HTML } from "./shared/files.ts";

export interface PageFiles {
  /** One version for all files together, so that relative imports need no versioned names. */
  readonly version: string;
  /** By folder and name: `shared/theme.css`. */
  readonly files: ReadonlyMap<string, Asset>;
  /** The pages, with the addresses of their files filled in. */
  readonly live: string;
  readonly ops: string;
}

let made: PageFiles | undefined;

/** Built at the first call, in about 60 ms. */
export function pageFiles(): PageFiles {
  return made ??= makePageFiles();
}

function makePageFiles(): PageFiles {
  const folders = { shared: SHARED_FILES, live: LIVE_FILES, ops: OPS_FILES };
  const texts = new Map<string, string>();
  for (const [folder, files] of Object.entries(folders)) {
    for (const [name, text] of Object.entries(files)) {
      const isModule = name.endsWith(".ts");
      const served = isModule ? name.replace(/\.ts$/, ".js") : name;
      texts.set(`${folder}/${served}`, isModule ? browserModule(text) : text);
    }
  }
  const hash = createHash("sha256");
  for (const [name, text] of texts) hash.update(name).update("\0").update(text).update("\0");
  const version = hash.digest("base64url").slice(0, 12);
  const page = (html: string, folder: "live" | "ops") => {
    const modules = [...Object.keys(SHARED_FILES).map((name) => `shared/${name}`)]
      .concat(Object.keys(folders[folder]).map((name) => `${folder}/${name}`))
      .filter((name) => name.endsWith(".ts"));
    return fillIn(html, version, modules);
  };
  return {
    version,
    files: new Map([...texts].map(([name, text]) => [name, new Asset(name, text)])),
    live: page(LIVE_HTML, "live"),
    ops: page(OPS_HTML, "ops"),
  };
}

function fillIn(html: string, version: string, modules: readonly string[]): string {
  for (const [place, piece] of Object.entries(SHARED_HTML)) html = html.replace(place, () => piece);
  const preloads = modules.map((name) =>
    `<link rel="modulepreload" href="assets/VERSION/${name.replace(/\.ts$/, ".js")}">`
  );
  return html.replace("<!-- PRELOADS -->", preloads.join("\n    "))
    .replaceAll("assets/VERSION", `assets/${version}`);
}

function browserModule(source: string): string {
  return stripTypeScriptTypes(source)
    .replace('"../../../client/telecast.ts"', '"../../../client.js"')
    .replace(/(\bfrom |\bimport\()"(\.\.?\/[^"]+)\.ts"/g, '$1"$2.js"')
    .replace(/[ \t]+$/gm, "");
}
