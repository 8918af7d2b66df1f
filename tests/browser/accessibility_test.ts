/// <reference lib="dom" />
import assert from "node:assert/strict";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { Rig } from "../routes/rig.ts";
import { OpsSite, source } from "./ops_site.ts";
import { browserTest, pageTest, waitForText } from "./page_kit.ts";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Fails with the violations that axe finds in the page's initial state and in each of `states`. */
async function assertAccessible(page: Page, states: (() => Promise<unknown>)[]): Promise<void> {
  await page.evaluate(axe.source);
  for (const reach of [() => Promise.resolve(), ...states]) {
    await reach();
    const violations = await page.evaluate(async (runOnly) => {
      const { axe: runner } = globalThis as unknown as { axe: typeof import("axe-core") };
      const { violations } = await runner.run({ runOnly });
      return violations.map(({ id, nodes }) => ({
        id,
        nodes: nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`),
      }));
    }, RULES);
    assert.deepEqual(violations, []);
  }
}

for (const colorScheme of ["light", "dark"] as const) {
  for (
    const [name, viewport] of [["laptop", undefined], ["phone", {
      width: 390,
      height: 844,
    }]] as const
  ) {
    const context = { colorScheme, ...(viewport ? { viewport } : {}) };

    pageTest(
      `axe finds no violation on the live page: ${name}, ${colorScheme}`,
      { server: { vehicles: 30, messagesPerSecond: 0 }, context },
      async (page, server) => {
        server.send({ tipo_mensaje: "alarmas", tipo_alarma: "CRITICA", descripcion: "Fallo" });
        await page.locator(".vehicle").nth(2).click();
        await page.locator(".plot canvas").first().waitFor();
        await assertAccessible(page, [
          async () => {
            await page.getByRole("button", { name: "Close" }).click();
            await page.click("#alarms-tab");
          },
          () => page.click("#token-button"),
        ]);
      },
    );

    browserTest(
      `/docs fits the window, and axe finds no violation: ${name}, ${colorScheme}`,
      () => Rig.start(),
      { context, path: "/docs" },
      async (page) => {
        await page.getByRole("heading", { name: "HTTP interface" }).waitFor();
        const { width, inner } = await page.evaluate(() => ({
          width: document.documentElement.scrollWidth,
          inner: innerWidth,
        }));
        assert.ok(width <= inner, `${width} px wide in a window of ${inner}`);
        await page.getByRole("link", { name: /api.*publish/ }).click();
        await page.waitForURL(/#publish$/);
        await assertAccessible(page, []);
      },
    );

    browserTest(
      `axe finds no violation on the operator's page: ${name}, ${colorScheme}`,
      () => OpsSite.start(),
      { context },
      async (page, site) => {
        site.others.set("crashed", undefined);
        site.sources = [source("mqtt", { state: "waiting", reason: "refused", dropped: 3 })];
        site.rig.health.report("mqtt", "refused");
        await site.addWork("cota");
        await using _client = await site.rig.ws("device_ids=A");
        await waitForText(page, "#problems", /failed for good: 1/);
        await waitForText(page, "#connections", /WebSocket/);
        await page.locator(".plot canvas").first().waitFor();
        await assertAccessible(page, [() => page.click("#token-button")]);
      },
    );
  }
}
