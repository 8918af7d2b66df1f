/// <reference lib="dom" />
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { eventually } from "../kit/eventually.ts";
import { OpsSite, source } from "./ops_site.ts";
import { browserTest, type BrowserTestOptions, waitForText } from "./page_kit.ts";

interface OpsTestOptions extends BrowserTestOptions {
  readonly tokens?: boolean;
  readonly deliveries?: boolean;
}

function opsTest(
  name: string,
  options: OpsTestOptions,
  body: (page: Page, site: OpsSite) => Promise<void>,
): void {
  browserTest(name, () => OpsSite.start(options), options, body);
}

/** The table row with this name in its first cell. */
const row = (page: Page, card: string, name: string) =>
  page.locator(`#${card} tbody tr`).filter({ has: page.locator("th", { hasText: name }) });

const waitForRow = (page: Page, card: string, name: string, text: RegExp) =>
  row(page, card, name).filter({ hasText: text }).waitFor();

opsTest("an operator sees sources with their state, lag and rate", {}, async (page, site) => {
  await waitForText(page, "#connection", /Up to date/);
  await waitForText(page, "#problems", /All is well/);
  await waitForRow(page, "sources", "mqtt", /Connected/);

  site.sources = [
    source("mqtt", { state: "waiting", reason: "connection refused", reconnects: 3 }),
    source("kafka", { received: 12_345, malformed: 7, lag: 4_321 }),
  ];
  site.rig.health.report("mqtt", "connection refused");
  await waitForRow(page, "sources", "mqtt", /Retrying: connection refused/);
  await waitForRow(page, "sources", "kafka", /Connected.*12,345.*4,321/);
  await waitForText(page, "#problems", /Source mqtt \(this-one\) is not connected: connection ref/);
  // The readiness report names the same problem, which is not shown twice.
  assert.equal(await page.locator(".problem").count(), 1);

  site.rig.health.report("mqtt", undefined);
  site.sources = [source("mqtt", { received: 10 })];
  await waitForText(page, "#problems", /All is well/);
  site.sources = [source("mqtt", { received: 1_000_000 })];
  await waitForRow(page, "sources", "mqtt", /Connected[\d,.]{4,}/);
});

opsTest(
  "instances show which one consumes, which one is silent, and what others report",
  {},
  async (page, site) => {
    site.others.set("other-one", {
      messages: 5,
      subscribers: 70,
      devices: 9,
      sent: 10,
      dropped: 2,
      sources: [source("mqtt", { received: 99 })],
    });
    site.sources = [source("mqtt", { state: "stopped" })];
    site.leaseOwner = "other-one";
    await waitForRow(page, "instances", "this-one", /answers/);
    await waitForRow(page, "instances", "other-one", /Alive.*yes/);
    // The source runs on the other instance, and is listed once.
    await waitForRow(page, "sources", "mqtt", /Connected.*99.*other-one/);
    assert.equal(await page.locator("#sources tbody tr").count(), 1);

    site.others.set("other-one", undefined);
    site.leaseOwner = "";
    await waitForText(page, "#problems", /No instance consumes the sources/);
    await row(page, "instances", "other-one").filter({ hasText: /Silent/ }).waitFor();
    await waitForText(page, "#problems", /Instance other-one has been silent for \d+ s/);
  },
);

opsTest("connections are listed slowest first, with queue and drops", {}, async (page, { rig }) => {
  await waitForText(page, "#connections", /No connection is open/);
  await using _good = await rig.sse("device_ids=A");
  await using _slow = await rig.slow("ws", "device_ids=A,B,C");
  const payload = JSON.stringify({ text: "x".repeat(50_000) });
  await eventually("the slow client misses messages", async () => {
    await rig.fanout.publish(Array(20).fill({ deviceId: "A", payload }));
    return rig.hub.totals.ws.dropped > 0;
  });
  await waitForText(page, "#connections-help", /2 open, 1 with a queue/);
  const first = page.locator("#connections tbody tr").first();
  await first.filter({ hasText: /WebSocket127\.0\.0\.x.*3100 · [\d.]+ MB/ }).waitFor();
  await page.locator("#connections tbody tr").nth(1).filter({ hasText: /SSE/ }).waitFor();
  await page.locator('#connections [data-tone="bad"]').waitFor();
});

opsTest(
  "dead deliveries are listed, and can be retried one by one or all at once",
  {},
  async (page, site) => {
    await waitForText(page, "#deliveries", /None has failed for good/);
    for (const partition of ["cota", "funza", "madrid"]) await site.addWork(partition);
    await waitForText(page, "#problems", /Deliveries that failed for good: 3/);
    await waitForText(page, "#deliveries-help", /0 waiting, 0 done, 3 dead/);
    await page.locator("#deliveries tbody tr").filter({ hasText: /the backend answered 422/ })
      .first()
      .waitFor();

    site.backendWorks = true;
    await page.getByRole("button", { name: /^Retry \w+\./ }).first().click();
    await waitForText(page, "#retry-outcome", /is back in the queue/);
    await eventually("it is done", () => site.done.length === 1);
    await page.getByRole("button", { name: "Retry all" }).click();
    await waitForText(page, "#retry-outcome", /2 are back in the queue/);
    await eventually("all are done", () => site.done.length === 3);
    await waitForText(page, "#deliveries", /None has failed for good/);
    await waitForText(page, "#problems", /All is well/);
    await page.click("#show-waiting");
    await waitForText(page, "#deliveries", /None is waiting/);
  },
);

opsTest("a failed retry shows the reason", { expectedFaults: /404/ }, async (page, site) => {
  await site.addWork("cota");
  await page.getByRole("button", { name: /^Retry \w+\./ }).waitFor();
  await page.route(
    "**/retry",
    (route) =>
      route.fulfill({
        status: 404,
        json: { detail: "No delivery of this id has failed for good" },
      }),
  );
  await page.getByRole("button", { name: /^Retry \w+\./ }).click();
  await waitForText(page, "#retry-outcome", /Could not be retried: No delivery of this id/);
});

opsTest(
  "rates follow incoming and outgoing messages",
  { deliveries: false },
  async (page, { rig }) => {
    await waitForText(page, "#deliveries", /neither BACKEND_URL nor WHATSAPP_API_URL/);
    await using _client = await rig.sse("device_ids=A");
    await page.locator("#rate-plots canvas").nth(5).waitFor();
    await waitForText(page, "#rate-plots", /Received\/s 0/);
    let n = 0;
    await eventually("the rates rise", async () => {
      rig.publish("A", ...Array.from({ length: 50 }, () => ++n));
      const text = await page.textContent("#rate-plots");
      return /Received\/s [1-9]/.test(text!) && /Delivered\/s [1-9]/.test(text!) &&
        /Connections 1 /.test(text!);
    }, { timeoutMs: 30_000, intervalMs: 200 });
    await waitForText(page, '[data-fact="knownDevices"]', /1/);
  },
);

opsTest(
  "the page asks for a token with the admin scope",
  { tokens: true, expectedFaults: /401|403/ },
  async (page, site) => {
    await page.locator("#token-dialog[open]").waitFor();
    await waitForText(page, "#connection", /the scope admin is required/);
    await page.fill("#token-input", await site.token("stream"));
    await page.keyboard.press("Enter");
    await waitForText(page, "#token-error", /lacks the scope admin/);
    await page.fill("#token-input", "garbage");
    await page.keyboard.press("Enter");
    await waitForText(page, "#token-error", /did not accept that token/);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.click("#token-button");
    await page.fill("#token-input", await site.token("admin"));
    await page.getByRole("button", { name: "Connect" }).click();
    await waitForText(page, "#connection", /Up to date/);
    await page.reload();
    await waitForText(page, "#connection", /Up to date/);
  },
);

opsTest(
  "a server that does not answer is reported, and the data is marked as old",
  { expectedFaults: /ERR_|Failed to load/ },
  async (page) => {
    await waitForText(page, "#connection", /Up to date/);
    await page.route("**/api/v1/stats", (route) => route.abort());
    await waitForText(page, "#connection", /No answer for \d+ s/);
    assert.equal(await page.evaluate(() => document.body.dataset.connection), "waiting");
    await page.unroute("**/api/v1/stats");
    await waitForText(page, "#connection", /Up to date/);
  },
);

opsTest(
  "the page has two languages, and links to the map and back",
  { context: { locale: "es-MX" } },
  async (page, { url }) => {
    await waitForText(page, "#problems", /Todo en orden/);
    await waitForRow(page, "sources", "mqtt", /Conectada/);
    assert.equal(await page.title(), "Telecast · Operación");
    await page.click("#language-button");
    await waitForText(page, "#problems", /All is well/);
    await waitForRow(page, "sources", "mqtt", /Connected/);
    await page.getByRole("link", { name: "To the map" }).click();
    await page.locator("#map").waitFor();
    await page.getByRole("link", { name: "Server operation" }).click();
    await waitForText(page, "#problems", /All is well/);
    assert.equal(page.url(), url);
  },
);
