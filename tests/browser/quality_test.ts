/// <reference lib="dom" />
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { say } from "../kit/say.ts";
import { pageTest, waitForText } from "./page_kit.ts";

/** Frames per second over 4 s while the map is dragged and zoomed. */
async function framesWhileUsed(page: Page): Promise<number> {
  const rate = page.evaluate(() =>
    new Promise<number>((resolve) => {
      const startedAt = performance.now();
      let frames = 0;
      function count() {
        frames++;
        const seconds = (performance.now() - startedAt) / 1000;
        if (seconds < 4) requestAnimationFrame(count);
        else resolve(frames / seconds);
      }
      requestAnimationFrame(count);
    })
  );
  for (let i = 0; i < 4; i++) {
    await page.mouse.move(900, 500);
    await page.mouse.down();
    await page.mouse.move(800, 450, { steps: 8 });
    await page.mouse.up();
    await page.mouse.wheel(0, i % 2 ? 200 : -200);
  }
  return await rate;
}

pageTest(
  "the page with everything that it loads takes less than 300 KB",
  { server: { vehicles: 25, messagesPerSecond: 10 } },
  async (page) => {
    await page.locator(".vehicle").first().click();
    await page.locator(".plot canvas").first().waitFor();
    const bytes = await page.evaluate(() =>
      [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .filter(({ name }) => !name.includes("/api/"))
        .reduce((sum, entry) => sum + (entry as PerformanceResourceTiming).encodedBodySize, 0)
    );
    assert(bytes > 50_000 && bytes < 300_000, `${bytes} bytes`);
  },
);

pageTest(
  "the first vehicles appear soon after the page is opened",
  { server: { vehicles: 25, messagesPerSecond: 10 } },
  async (page, server) => {
    await page.addInitScript(() => {
      const look = () => {
        if (!document.querySelector(".vehicle:not([hidden])")) requestAnimationFrame(look);
        else Object.assign(globalThis, { firstVehicleMs: performance.now() });
      };
      look();
    });
    const times: number[] = [];
    for (let n = 0; n < 3; n++) {
      await page.goto(server.url);
      const handle = await page.waitForFunction(() =>
        (globalThis as unknown as { firstVehicleMs?: number }).firstVehicleMs
      );
      times.push(Math.round(Number(await handle.jsonValue())));
    }
    say(`first vehicles after ${times.join(", ")} ms`);
    // On an otherwise idle machine it is a third of a second.
    assert(Math.min(...times) < 10_000, `${times} ms`);
  },
);

pageTest(
  "the map stays responsive with 5,000 vehicles at 1,000 messages a second",
  { server: { vehicles: 5_000, messagesPerSecond: 1_000, spreadDegrees: 0.6 } },
  async (page) => {
    await waitForText(page, '[data-show="all"]', /5,000/);
    const measured: number[] = [];
    while (measured.length < 3 && !measured.some((rate) => rate > 30)) {
      measured.push(await framesWhileUsed(page));
    }
    say(`${measured.map((rate) => rate.toFixed(1)).join(", ")} frames a second`);
    // More than 30 on two otherwise idle cores; other load on them must not fail the test.
    assert(Math.max(...measured) > 5, `${measured} frames a second`);
    await page.waitForFunction(() => {
      const rate = document.querySelector("#figure-rate")!.textContent!.replaceAll(",", "");
      return Number(rate) > 500;
    });
  },
);
