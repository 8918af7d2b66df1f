/** The HTTP interface, described for programs and for people. */

import { Hono } from "hono";
import { compress } from "hono/compress";
import { contentSecurityPolicy } from "../access/content_security_policy.ts";
import { Asset } from "./asset.ts";
import type { AppDeps } from "../http/deps.ts";
import { docsPage } from "./docs/page.ts";
import icon from "./shared/icon.svg" with { type: "text" };
import style from "./docs/style.css" with { type: "text" };
import { openapi } from "../openapi/document.ts";

const REVALIDATE = { "cache-control": "no-cache" };
const PAGE_HEADERS = {
  ...REVALIDATE,
  "content-security-policy": contentSecurityPolicy({ scripts: false }),
  "referrer-policy": "strict-origin-when-cross-origin",
};

/** `/openapi.json`, and `/docs` built from the same operations. */
export function openapiRoutes({ config }: Pick<AppDeps, "config">): Hono {
  const tokens = config.auth !== undefined;
  const css = new Asset("style.css", style);
  const svg = new Asset("icon.svg", icon);
  let document: object | undefined;
  return new Hono()
    .get("/openapi.json", compress(), (c) => c.json(document ??= openapi({ tokens })))
    .get("/docs", compress(), (c) => {
      const { origin } = new URL(c.req.url);
      return c.html(docsPage({ origin, tokens }), 200, PAGE_HEADERS);
    })
    .get("/docs/style.css", (c) => css.respond(c, REVALIDATE))
    .get("/docs/icon.svg", (c) => svg.respond(c, REVALIDATE));
}
