/**
 * Runs the Autobahn test suite against an echo on the production WebSocket server:
 *
 *     deno task conformance                          sections 1 to 7 and 10: 247 cases
 *     deno task conformance --cases=6.4.1,7.*
 *     deno task conformance --if-possible            succeeds if there is no Python 2.7
 *
 * Python 2.7 is searched as `PYTHON2`, as `python2.7` and under ~/.pyenv.
 *
 * Exits with 1 if a case that is not listed in KNOWN does not pass strictly, or if its connection
 * closes late or incorrectly. Section 9 (performance) takes an hour and proves nothing about the
 * protocol; 12 and 13 are about compression.
 */

import { say } from "../kit/say.ts";
import { EchoServer } from "../kit/servers/ws_echo.ts";
import { findPython, runAutobahn } from "./autobahn.ts";

/** The suite's cases send up to 16 MB. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
const SECTIONS = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"];
const PASSED = ["OK", "INFORMATIONAL"];

/** Cases that do not pass strictly, with the reason. */
const KNOWN: Readonly<Record<string, string>> = {};

const flags = parseArgs(Deno.args);
const python = await findPython();
if (!python) {
  say("NOT CHECKED: the Autobahn test suite needs Python 2.7; set PYTHON2 to its path");
  Deno.exit(flags.ifPossible ? 0 : 2);
}
await using echo = new EchoServer({ maxMessageBytes: MAX_MESSAGE_BYTES });
const results = await runAutobahn({
  python,
  url: `ws://127.0.0.1:${echo.port}`,
  cases: flags.cases,
});
const failed = results.filter(({ id, behavior, close }) =>
  !(id in KNOWN) && (!PASSED.includes(behavior) || !PASSED.includes(close))
);
for (const { id, behavior, close, seconds } of failed) {
  say(`${id}: ${behavior}, close ${close}, after ${seconds} s`);
}
say(`${results.length - failed.length} of ${results.length} cases passed`);
Deno.exitCode = failed.length === 0 && results.length > 0 ? 0 : 1;

function parseArgs(args: readonly string[]): { cases: readonly string[]; ifPossible: boolean } {
  let cases = SECTIONS;
  for (const arg of args) {
    if (arg.startsWith("--cases=")) cases = arg.slice("--cases=".length).split(",");
    else if (arg !== "--if-possible") {
      say("Flags: --cases=6.4.1,7.* --if-possible");
      Deno.exit(2);
    }
  }
  return { cases, ifPossible: args.includes("--if-possible") };
}
