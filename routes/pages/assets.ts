/**
 * Both pages and the client library, which are served without a token.
 *
 * The pages room: the live page, the operators' page and /docs. It imports openapi/, access/, http/
 * and client/; what runs in a browser is in live/, ops/ and shared/, and imports client/ alone.
 */

import { Hono } from "hono";
import { contentSecurityPolicy } from "../access/content_security_policy.ts";
import { Asset } from "./asset.ts";
import { clientScript, clientTypes } from "./client_bundle.ts";
import { pageFiles } from "./page_files.ts";

export interface DashboardOptions {
  /**
   * Template of map tiles, `https://host/{z}/{x}/{y}.png`; without it the map has no background.
   */
  readonly mapTilesUrl?: string | undefined;
  /** Path of the device id in a payload, if it is not at a known place. */
  readonly deviceIdPath?: readonly string[] | undefined;
}

/** Revalidated at each use, and answered with 304 if nothing has changed. */
const REVALIDATE = { "cache-control": "no-cache" };
const FOREVER = { "cache-control": "public, max-age=31536000, immutable" };

/** `/`, `/ops`, their assets, `/client.js` and `/client.d.ts`. */
export function dashboardRoutes(options: DashboardOptions = {}): Hono {
  let made: Site | undefined;
  // Built at the first request, since most servers never serve the page.
  const site = () => made ??= makeSite(options);
  const scriptHeaders = { ...REVALIDATE, "x-typescript-types": "./client.d.ts" };
  return new Hono()
    .get("/", (c) => site().live.respond(c, pageHeaders(options.mapTilesUrl)))
    .get("/ops", (c) => site().ops.respond(c, pageHeaders(undefined)))
    .get("/client.js", (c) => site().script.respond(c, scriptHeaders))
    .get("/client.d.ts", (c) => site().types.respond(c, REVALIDATE))
    .get("/assets/:version/:path{.+}", (c) => {
      const { version, files } = pageFiles();
      const file = files.get(c.req.param("path"));
      if (!file) return c.notFound();
      // During a rollout, a page of the old version may request its files here.
      return file.respond(c, c.req.param("version") === version ? FOREVER : REVALIDATE);
    });
}

interface Site {
  readonly live: Asset;
  readonly ops: Asset;
  readonly script: Asset;
  readonly types: Asset;
}

function makeSite({ mapTilesUrl = "", deviceIdPath = [] }: DashboardOptions): Site {
  const { live, ops } = pageFiles();
  const html = live.replace("MAP_TILES_URL", () => escapeHtml(mapTilesUrl))
    .replace("DEVICE_ID_PATH", () => escapeHtml(deviceIdPath.join(".")));
  return {
    live: new Asset("index.html", html),
    ops: new Asset("ops.html", ops),
    script: new Asset("client.js", clientScript()),
    types: new Asset("client.d.ts", clientTypes()),
  };
}

function pageHeaders(mapTilesUrl: string | undefined): Record<string, string> {
  return {
    ...REVALIDATE,
    "content-security-policy": contentSecurityPolicy({
      images: mapTilesUrl === undefined ? [] : [tileOrigin(mapTilesUrl)],
    }),
    "referrer-policy": "strict-origin-when-cross-origin",
  };
}

/** `https://{s}.host/{z}/…` may load from every subdomain of its host. */
function tileOrigin(template: string): string {
  const [scheme, rest = ""] = template.split("://");
  const host = rest.split("/")[0]!.replace(/^[^.]*\{s\}[^.]*/, "*");
  return `${scheme}://${host}`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
