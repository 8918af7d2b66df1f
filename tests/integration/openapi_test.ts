/** openapi.json, tested against the program that it describes, with real brokers. */

import assert from "node:assert/strict";
import { OPERATIONS } from "../../routes/openapi/document.ts";
import { curlCommand, exampleRequest } from "../../routes/openapi/example_request.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { Whole } from "./whole.ts";

const SCHEMATHESIS = `${Deno.env.get("HOME")}/.cache/telecast/schemathesis/bin/st`;
const STREAM = "/api/v1/stream";
const INBOUND = "/ws";
const REVOKE = "/api/v1/tokens/revoke";

async function schemathesis(whole: Whole, ...args: string[]): Promise<string> {
  await using process = TestProcess.start(SCHEMATHESIS, {
    args: [
      ...["run", `${whole.telecast.url}/openapi.json`, "--checks", "all", "--seed", "4711"],
      ...["--continue-on-failure", "--no-shrink", "--request-timeout", "30"],
      ...["--suppress-health-check", "all"],
      ...Object.entries(whole.headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
      ...args,
    ],
    cwd: whole.telecast.cwd,
    env: { NO_COLOR: "1" },
  });
  const { code } = await process.waitForExit({ timeoutMs: 120_000 });
  assert.equal(code, 0, process.output);
  return process.output;
}

/** A proxy to the server that ends SSE streams after their first bytes. */
function cutStreams(url: string): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const response = await fetch(url + pathname + search, request);
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
    const reader = response.body!.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return new Response(value, { status: response.status, headers: response.headers });
  });
}

for (const tokens of [false, true]) {
  const how = tokens ? "with a token" : "open";
  Deno.test(`schemathesis finds nothing wrong with any route, ${how}`, async () => {
    await using whole = await Whole.start({ tokens });
    const special = [STREAM, INBOUND, REVOKE];
    const output = await schemathesis(
      whole,
      ...special.flatMap((path) => ["--exclude-path", path]),
      ...["--max-examples", "10"],
    );
    const [, tested] = /Tested: (\d+)/.exec(output) ?? [];
    // It does not test the route of the document itself.
    assert.equal(Number(tested), OPERATIONS.length - 1 - special.length, output);
    await using streams = cutStreams(whole.telecast.url);
    // OpenAPI cannot express that something is only for WebSockets (batch_ms, and all of /ws), or
    // that a time must be in the future: requests that match the schema may be refused.
    await schemathesis(
      whole,
      ...special.flatMap((path) => ["--include-path", path]),
      ...["--url", `http://127.0.0.1:${streams.addr.port}`],
      ...["--phases", "examples,fuzzing", "--max-examples", "30"],
      ...["--exclude-checks", "positive_data_acceptance"],
    );
  });

  Deno.test(`the examples of /docs work unchanged, ${how}`, async () => {
    await using whole = await Whole.start({ tokens });
    const { deliveries } = await whole.telecast.json("/api/v1/deliveries", {
      headers: whole.headers,
    });
    const page = await (await fetch(`${whole.telecast.url}/docs`)).text();
    for (const operation of OPERATIONS.filter(({ websocketOnly }) => !websocketOnly)) {
      const request = exampleRequest(operation);
      const token = tokens && operation.scope !== undefined;
      const command = curlCommand(request, { origin: whole.telecast.url, token });
      assert.ok(page.includes(escapeHtml(command)), command);
      const run = command.replace("cota-81", deliveries[0].id)
        // Streams do not end by themselves.
        .replace("curl -N", "curl -N --max-time 2")
        .replace("curl", "curl -s -o /dev/null -w '%{http_code}'");
      await using curl = TestProcess.start("sh", {
        args: ["-c", run],
        env: { TOKEN: whole.token ?? "" },
      });
      await curl.waitForExit();
      assert.match(curl.stdout, /^20[01]$/, `${run}\n${curl.output}`);
    }
  });
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("'", "&#39;");
}
