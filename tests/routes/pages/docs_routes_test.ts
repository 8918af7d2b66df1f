/** openapi.json is complete, valid and correct; /docs shows it. */

import assert from "node:assert/strict";
import { Validator } from "@seriousme/openapi-schema-validator";
import { SignJWT } from "jose";
import { openapi, OPERATIONS } from "../../../routes/openapi/document.ts";
import { curlCommand, exampleRequest } from "../../../routes/openapi/example_request.ts";
import { problemsOf } from "../../../routes/openapi/operation.ts";
import { SCOPES } from "../../../routes/access/scopes.ts";
import { read, rowsOf } from "../../docs/markdown.ts";
import { Rig } from "../rig.ts";

const SECRET = "a secret of the test, of 32 characters and more";

function token(scope: string): Promise<string> {
  return new SignJWT({ scope, device_ids: "*" }).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(SECRET));
}

Deno.test("openapi.json is valid OpenAPI 3.1, with and without tokens", async () => {
  for (const tokens of [false, true]) {
    const document = JSON.parse(JSON.stringify(openapi({ tokens })));
    const { valid, errors } = await new Validator().validate(document);
    assert.ok(valid, JSON.stringify(errors));
  }
});

Deno.test("openapi.json describes every route, and no others", async () => {
  await using rig = await Rig.start();
  const { paths } = await rig.json("/openapi.json");
  const described = Object.entries(paths as Record<string, object>)
    .flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
    );
  const served = rig.app.routes
    .filter(({ method, path }) => method !== "ALL" && !isFileOfPage(path))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
  assert.deepEqual(described.toSorted(), [...new Set(served)].toSorted());
});

/** Files that only their page uses. */
function isFileOfPage(path: string): boolean {
  return path.startsWith("/assets/") || path.startsWith("/docs/");
}

Deno.test("every operation requires the scope in its description", async () => {
  await using rig = await Rig.start({ env: { AUTH_JWT_SECRET: SECRET } });
  for (const operation of OPERATIONS) {
    const { method, target, body } = exampleRequest(operation);
    const statusOf = async (scope?: string) => {
      const headers: Record<string, string> = scope === undefined
        ? {}
        : { authorization: `Bearer ${await token(scope)}` };
      const response = await rig.fetch(target, { method, headers, ...(body && { body }) });
      await response.body?.cancel();
      return response.status;
    };
    const { scope, path } = operation;
    if (scope === undefined) {
      assert.equal(await statusOf(), 200, path);
      continue;
    }
    assert.equal(await statusOf(), 401, path);
    const others = SCOPES.filter((other) => other !== scope && other !== "admin").join(" ");
    assert.equal(await statusOf(others), 403, path);
    assert.ok(![401, 403].includes(await statusOf(scope)), path);
  }
});

Deno.test("a server without tokens describes itself as open", async () => {
  await using rig = await Rig.start();
  const { paths } = await rig.json("/openapi.json");
  assert.deepEqual(paths["/api/v1/stats"].get.security, []);
  assert.equal(paths["/api/v1/stats"].get.responses["401"], undefined);
});

Deno.test("every code of an operation is listed in docs/connect.md", async () => {
  const text = await read("docs/connect.md");
  const section = text.slice(text.indexOf("\n## Errors"), text.indexOf("\n## Other routes"));
  const listed = rowsOf(section).flatMap(([first]) => first?.match(/(?<=`)[a-z_]+(?=`)/g) ?? []);
  for (const operation of OPERATIONS) {
    for (const code of Object.values(problemsOf(operation)).flatMap((codes) => [...codes])) {
      assert.ok(listed.includes(code), `${operation.path}: ${code}`);
    }
  }
});

Deno.test("the query of a route is described by the schema that checks it", async () => {
  await using rig = await Rig.start();
  rig.publish("A", 1);
  const { paths } = await rig.json("/openapi.json");
  for (const [path, methods] of Object.entries<Record<string, Described>>(paths)) {
    for (const { parameters } of Object.values(methods)) {
      for (const { name, in: place, schema } of parameters) {
        if (place !== "query" || !["integer", "number", "boolean"].includes(schema.type)) continue;
        const response = await rig.fetch(`${path.replace("{id}", "A")}?${name}=nonsense`);
        const { code } = await response.json();
        assert.equal(code, `bad_${name}`, path);
      }
    }
  }
});

interface Described {
  readonly parameters: { name: string; in: string; schema: { type: string } }[];
}

Deno.test("/docs shows every operation with a command to try, without external files or scripts", async () => {
  await using rig = await Rig.start();
  const response = await rig.fetch("/docs");
  const page = await response.text();
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.match(policy, /^default-src 'none'; style-src 'self';/);
  assert.doesNotMatch(policy, /unsafe|https?:/);
  assert.doesNotMatch(page, /<script|\son\w+=|\sstyle=/);
  for (const [, address = ""] of page.matchAll(/\s(?:src|href)="([^"]*)"/g)) {
    assert.doesNotMatch(address, /^(https?:)?\/\//);
    if (address.startsWith("#")) {
      assert.ok(page.includes(`id="${address.slice(1)}"`), address);
      continue;
    }
    const linked = await rig.fetch(`/${address.replace(/^\.?\//, "")}`);
    await linked.body?.cancel();
    assert.equal(linked.status, 200, address);
  }
  for (const operation of OPERATIONS.filter(({ websocketOnly }) => !websocketOnly)) {
    const command = curlCommand(exampleRequest(operation), { origin: rig.url, token: false });
    const escaped = command.replaceAll("&", "&amp;").replaceAll('"', "&quot;")
      .replaceAll("'", "&#39;");
    assert.ok(page.includes(escaped), command);
  }
});

Deno.test("curlCommand() returns one shell command, whatever the body contains", () => {
  const request = { method: "POST", target: "/a?b=c&d", body: `{"a":"it's"}`, endless: false };
  assert.equal(
    curlCommand(request, { origin: "http://h", token: true }),
    `curl -X POST -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' ` +
      `-d '{"a":"it'\\''s"}' 'http://h/a?b=c&d'`,
  );
});
