/**
 * Takes a screenshot of a running live page, or of the operator's page:
 *
 *     deno run -A tests/browser/screenshot.ts http://127.0.0.1:8000/ docs/page.png [width height theme]
 *     deno run -A tests/browser/screenshot.ts http://127.0.0.1:8000/ops docs/ops.png
 */

import { launchChromium } from "./chromium.ts";

const [url, file, width = "1440", height = "900", theme = "light"] = Deno.args;
if (!url || !file) throw new Error("Cannot take a screenshot without an address and a file");

const browser = await launchChromium();
try {
  const page = await browser.newPage({
    viewport: { width: Number(width), height: Number(height) },
    colorScheme: theme === "dark" ? "dark" : "light",
    locale: "en-US",
  });
  await page.goto(url);
  const isLive = !url.endsWith("/ops");
  if (isLive) await page.locator(".vehicle").nth(1).click();
  await page.locator(".plot canvas").first().waitFor();
  // Wait until the map is still and a few messages have moved vehicles, or until rates have a past.
  await page.waitForTimeout(isLive ? 3_000 : 60_000);
  await page.screenshot({ path: file });
} finally {
  await browser.close();
}
