/** Runs the Autobahn test suite, the public conformance tests of the WebSocket protocol. */

import { TestProcess } from "../kit/servers/process.ts";
import { TempDir } from "../kit/temp_dir.ts";

const PACKAGE = "autobahntestsuite==25.10.1";
const INSTALLED = `${Deno.env.get("HOME")}/.cache/telecast/${PACKAGE.replace("==", "-")}`;
const AGENT = "server";
const INSTALL_MS = 300_000;

/** Its packages share the namespace `zope`, which works only in a site directory. */
const RUN = `import site, sys
site.addsitedir(${JSON.stringify(INSTALLED)})
sys.path.insert(0, ${JSON.stringify(INSTALLED)})
from autobahntestsuite import wstest
wstest.run()
`;

export interface CaseResult {
  readonly id: string;
  /** The server's result in the case: `OK`, `NON-STRICT`, `INFORMATIONAL`, `FAILED`, … */
  readonly behavior: string;
  /** How the connection ended. */
  readonly close: string;
  readonly seconds: number;
}

/** Finds Python 2.7, which the suite requires; undefined if there is none. */
export async function findPython(): Promise<string | undefined> {
  const home = Deno.env.get("HOME");
  const candidates = [Deno.env.get("PYTHON2"), "python2.7"].filter((path) => path !== undefined);
  for await (const { name } of versionsOf(`${home}/.pyenv/versions`)) {
    if (name.startsWith("2.7.")) candidates.push(`${home}/.pyenv/versions/${name}/bin/python`);
  }
  for (const path of candidates) {
    if (await isPython27(path)) return path;
  }
  return undefined;
}

async function isPython27(path: string): Promise<boolean> {
  try {
    const args = ["-c", "import sys; sys.exit(sys.version_info[:2] != (2, 7))"];
    const { success } = await new Deno.Command(path, { args, stdout: "null", stderr: "null" })
      .output();
    return success;
  } catch {
    return false;
  }
}

async function* versionsOf(dir: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(dir);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Installs the suite if necessary, and runs its cases against an echo server. */
export async function runAutobahn(
  { python, url, cases }: { python: string; url: string; cases: readonly string[] },
): Promise<CaseResult[]> {
  await install(python);
  await using dir = await TempDir.create("autobahn-");
  const script = await dir.write("run.py", RUN);
  const spec = await dir.write(
    "spec.json",
    JSON.stringify({
      outdir: dir.join("reports"),
      servers: [{ agent: AGENT, url }],
      cases,
      "exclude-cases": [],
      "exclude-agent-cases": {},
    }),
  );
  await TestProcess.run(python, {
    args: [script, "-m", "fuzzingclient", "-s", spec],
    timeoutMs: 600_000,
  });
  const index = JSON.parse(await Deno.readTextFile(dir.join("reports/index.json")));
  const results = Object.entries<Record<string, unknown>>(index[AGENT]);
  return results.map(([id, { behavior, behaviorClose, duration }]) => ({
    id,
    behavior: String(behavior),
    close: String(behaviorClose),
    seconds: Number(duration) / 1000,
  }));
}

async function install(python: string): Promise<void> {
  const done = `${INSTALLED}/installed`;
  if (await Deno.stat(done).then(() => true, () => false)) return;
  await Deno.mkdir(INSTALLED, { recursive: true });
  await TestProcess.run(python, {
    args: ["-m", "pip", "install", "-q", "--upgrade", "--target", INSTALLED, PACKAGE],
    timeoutMs: INSTALL_MS,
  });
  await Deno.writeTextFile(done, "");
}
