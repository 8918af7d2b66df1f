/**
 * Both pages at the sizes of a phone, a laptop and a wall display, in both themes. With
 * SCREENSHOTS=folder, a screenshot of each is saved there for review.
 */

/// <reference lib="dom" />
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { eventually } from "../kit/eventually.ts";
import { OpsSite, source } from "./ops_site.ts";
import { browserTest, pageTest, waitForText } from "./page_kit.ts";

const BOTH = ["light", "dark"] as const;
const SIZES = [
  { size: "phone", width: 390, height: 844, themes: BOTH },
  { size: "phone on its side", width: 844, height: 390, themes: ["dark"] },
  { size: "tablet", width: 820, height: 1180, themes: ["light"] },
  { size: "laptop", width: 1280, height: 800, themes: BOTH },
  { size: "wall", width: 1920, height: 1080, themes: BOTH },
  { size: "wall of 4K", width: 3840, height: 2160, themes: ["dark"] },
] as const;

const folder = Deno.env.get("SCREENSHOTS");

async function keepPicture(page: Page, name: string, { fullPage = false } = {}): Promise<void> {
  if (!folder) return;
  await Deno.mkdir(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name.replaceAll(/\W+/g, "_")}.png`, fullPage });
}

/** Elements that extend past the right edge, or whose text is cut off without an ellipsis. */
function cutOff(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll("body *")]
      .filter((node) => !node.closest(".figures, #map, .skip, .announcer, svg, .u-wrap, thead"))
      .filter((node) => node.checkVisibility())
      .filter((node) => {
        const { overflowX, textOverflow } = getComputedStyle(node);
        const wider = node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0;
        const hides = overflowX === "hidden" && textOverflow !== "ellipsis" && wider;
        const card = node.closest(".card") ?? document.documentElement;
        const end = Math.min(innerWidth, card.getBoundingClientRect().right);
        return hides || node.getBoundingClientRect().right > end + 1;
      })
      .map((node) =>
        `${node.tagName} ${node.id || node.className} ${node.textContent}`.slice(0, 100)
      )
  );
}

for (const { size, width, height, themes } of SIZES) {
  for (const colorScheme of themes) {
    const context = {
      viewport: { width, height },
      colorScheme,
      locale: colorScheme === "dark" ? "es-MX" : "en-US",
      hasTouch: width < 900,
    };
    const name = `${size}, ${colorScheme}`;

    pageTest(
      `nothing on the live page is cut off: ${name}`,
      { server: { vehicles: 30, messagesPerSecond: 0 }, context },
      async (page, server) => {
        await waitForText(page, '[data-show="all"]', /30/);
        server.send({ device_id: "0848086004", event: "sos", metadata: { severity: "high" } });
        await waitForText(page, "#alarm-badge", /1/);
        assert.deepEqual(await cutOff(page), []);
        await keepPicture(page, `live ${name}`);
        await page.locator(".vehicle").nth(2).click();
        await page.locator(".plot canvas").first().waitFor();
        assert.deepEqual(await cutOff(page), []);
        const device = (await page.locator("#device").boundingBox())!;
        const map = (await page.locator("#map").boundingBox())!;
        assert(
          device.width >= Math.min(width / 3, 340) && device.height > 250,
          JSON.stringify(device),
        );
        assert(map.width >= Math.min(width / 2, 500) && map.height > 250, JSON.stringify(map));
        await keepPicture(page, `live device ${name}`);
      },
    );

    browserTest(
      `nothing on the operator's page is cut off: ${name}`,
      () => OpsSite.start(),
      { context },
      async (page, site) => {
        await playTrouble(site);
        await using _client = await site.rig.ws("device_ids=A");
        await using _other = await site.rig.sse("device_ids=A,B&mode=latest");
        await waitForText(page, "#problems", /: 2/);
        await waitForText(page, "#connections", /WebSocket/);
        await page.locator(".plot canvas").nth(5).waitFor();
        let n = 0;
        await eventually("rates", async () => {
          site.rig.publish("A", ...Array.from({ length: 30 }, () => ++n));
          return /[1-9]/.test((await page.locator("#rate-plots strong").first().textContent())!);
        }, { timeoutMs: 40_000, intervalMs: 100 });
        assert.deepEqual(await cutOff(page), []);
        await keepPicture(page, `ops ${name}`, { fullPage: true });
      },
    );
  }
}

async function playTrouble(site: OpsSite): Promise<void> {
  site.others.set("9f3c12ab", {
    messages: 120,
    subscribers: 4_210,
    devices: 5_000,
    sent: 2_000_000,
    dropped: 12,
    sources: [source("kafka", { state: "stopped" })],
  });
  site.others.set("77aa01ff", undefined);
  site.sources = [
    source("mqtt", {
      state: "waiting",
      reason: "connect ECONNREFUSED 10.0.0.7:8883",
      reconnects: 3,
    }),
    source("kafka", { received: 12_345_678, malformed: 7, lag: 4_321 }),
    source("aws_iot", { state: "connecting", received: 17 }),
  ];
  site.rig.health.report("mqtt", "connect ECONNREFUSED 10.0.0.7:8883");
  for (const partition of ["cota", "funza"]) await site.addWork(partition);
}
