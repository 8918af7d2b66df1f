/** The live page and the client library: everything that is served without a token. */

import { Hono } from "hono";
import { Asset } from "./asset.ts";
import { clientScript, clientTypes } from "./client_bundle.ts";
import { pageFiles } from "./page_files.ts";

export interface DashboardOptions {
  /** Template of map tiles, `https://host/{z}/{x}/{y}.png`; without it the map draws no ground. */
  readonly mapTilesUrl?: string | undefined;
  /** Where the device id stands in a payload, if not at a usual place. */
  readonly deviceIdPath?: readonly string[] | undefined;
}

/** Asked again at each use, and answered with 304 where nothing has changed. */
const REVALIDATE = { "cache-control": "no-cache" };
const FOREVER = { "cache-control": "public, max-age=31536000, immutable" };

/** `/`, its assets, `/client.js` and `/client.d.ts`. */
export function dashboardRoutes({ mapTilesUrl, deviceIdPath = [] }: DashboardOptions = {}): Hono {
  const { version, files, html } = pageFiles();
  const filled = html.replace("MAP_TILES_URL", () => escapeHtml(mapTilesUrl ?? ""))
    .replace("DEVICE_ID_PATH", () => escapeHtml(deviceIdPath.join(".")));
  const page = new Asset("index.html", filled);
  const pageHeaders = {
    ...REVALIDATE,
    "content-security-policy": contentSecurityPolicy(mapTilesUrl),
    "referrer-policy": "strict-origin-when-cross-origin",
  };
  const script = new Asset("client.js", clientScript());
  const types = new Asset("client.d.ts", clientTypes());

  return new Hono()
    .get("/", (c) => page.respond(c, pageHeaders))
    .get(
      "/client.js",
      (c) => script.respond(c, { ...REVALIDATE, "x-typescript-types": "./client.d.ts" }),
    )
    .get("/client.d.ts", (c) => types.respond(c, REVALIDATE))
    .get("/assets/:version/:name", (c) => {
      const file = files.get(c.req.param("name"));
      if (!file) return c.notFound();
      // While a new version is rolled out, a page of the old one may ask here for its files.
      return file.respond(c, c.req.param("version") === version ? FOREVER : REVALIDATE);
    });
}

function contentSecurityPolicy(mapTilesUrl: string | undefined): string {
  const tiles = mapTilesUrl === undefined ? "" : ` ${tileOrigin(mapTilesUrl)}`;
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    `img-src 'self' data:${tiles}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
  ].join("; ");
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
