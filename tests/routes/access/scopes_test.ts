/**
 * Every route declares its scope, or that it needs none; a route without a declaration is not
 * served.
 */

import assert from "node:assert/strict";
import { Hono } from "hono";
import { Revocations } from "../../../broker/cluster/revocations.ts";
import { MemoryKv } from "../../../broker/store/memory_kv.ts";
import { Access } from "../../../routes/access/access.ts";
import { SCOPES } from "../../../routes/access/scopes.ts";
import { guardRoutes, ROUTE_SCOPES } from "../../../routes/access/route_scopes.ts";
import { Rig } from "../rig.ts";
import { bearer, SECRET, sign } from "../signed.ts";

const env = { AUTH_JWT_SECRET: SECRET };

/** Each route once, as `GET /path`. */
function routesOf(rig: Rig): string[] {
  const served = rig.routes.filter(({ method }) => method !== "ALL");
  return [...new Set(served.map(({ method, path }) => `${method} ${path}`))];
}

Deno.test("all routes of the program are declared, and no others", async () => {
  await using rig = await Rig.start({ env });
  assert.deepEqual(routesOf(rig).toSorted(), Object.keys(ROUTE_SCOPES).toSorted());
});

Deno.test("a route that declares no scope stops the program, with and without tokens", () => {
  const routes = new Hono().get("/api/v1/devices", (c) => c.text("")).put(
    "/api/v1/new",
    (c) => c.text(""),
  );
  for (const secret of [SECRET, undefined]) {
    const auth = secret === undefined ? undefined : {
      secret,
      jwksUrl: undefined,
      audience: undefined,
      issuer: undefined,
      clockSkewSeconds: 0,
    };
    const access = new Access(auth, new Revocations(new MemoryKv()));
    assert.throws(() => guardRoutes(new Hono(), routes, access), /PUT \/api\/v1\/new/);
    // Another method on a declared path is another route.
    const other = new Hono().delete("/api/v1/devices", (c) => c.text(""));
    assert.throws(() => guardRoutes(new Hono(), other, access), /DELETE \/api\/v1\/devices/);
    const all = new Hono().all("/api/v1/devices", (c) => c.text(""));
    assert.throws(() => guardRoutes(new Hono(), all, access), /ALL \/api\/v1\/devices/);
  }
});

Deno.test("each route requires the scope that it declares; admin includes all", async (t) => {
  await using rig = await Rig.start({ env });
  for (const route of routesOf(rig)) {
    const [method, pattern] = route.split(" ") as [string, string];
    const path = pattern.replace(/:\w+/g, "A");
    const wanted = ROUTE_SCOPES[route];
    const statusOf = async (scope?: string, as = method) => {
      const claims = { scope: scope ?? "", device_ids: ["A"] };
      const init = scope === undefined ? {} : bearer(await sign(claims));
      const response = await rig.fetch(path, { method: as, ...init });
      await response.body?.cancel();
      return response.status;
    };
    await t.step(route, async () => {
      if (wanted === "none") return assert.ok(![401, 403].includes(await statusOf()));
      assert.equal(await statusOf(), 401);
      if (method === "GET") assert.equal(await statusOf(undefined, "HEAD"), 401);
      for (const scope of [...SCOPES, "", "none", wanted!.toUpperCase(), `${wanted}s`]) {
        const status = await statusOf(scope);
        if (scope === wanted || scope === "admin") assert.ok(![401, 403].includes(status), scope);
        else assert.equal(status, 403, scope);
      }
      const several = SCOPES.filter((scope) => scope !== "admin").join(" ");
      const status = await statusOf(several);
      if (wanted === "admin") assert.equal(status, 403);
      else assert.ok(![401, 403].includes(status));
    });
  }
});
