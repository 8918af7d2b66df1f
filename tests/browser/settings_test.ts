/// <reference lib="dom" />
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { pageTest, waitForText } from "./page_kit.ts";

const STILL = { vehicles: 3, messagesPerSecond: 0 };

const ground = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

pageTest(
  "the theme follows the system until it is switched, and then stays",
  { server: STILL, context: { colorScheme: "dark" } },
  async (page) => {
    const dark = await ground(page);
    await page.emulateMedia({ colorScheme: "light" });
    const light = await ground(page);
    assert.notEqual(light, dark);
    await page.click("#theme-button");
    await page.emulateMedia({ colorScheme: "dark" });
    assert.equal(await ground(page), light);
    await page.reload();
    assert.equal(await ground(page), light);
    await page.click("#theme-button");
    assert.match((await page.getAttribute("#theme-button", "aria-label"))!, /dark/);
    await page.emulateMedia({ colorScheme: "light" });
    assert.equal(await ground(page), dark);
  },
);

pageTest(
  "the language is the browser's until it is switched, and then stays",
  { server: STILL, context: { locale: "es-MX" } },
  async (page) => {
    await waitForText(page, "#connection", /En vivo/);
    assert.equal(await page.getAttribute("html", "lang"), "es");
    assert.equal(await page.getAttribute("#search", "placeholder"), "Buscar por id");
    await page.click("#language-button");
    await waitForText(page, "#connection", /Live/);
    await waitForText(page, '[data-show="stale"]', /No signal/);
    await page.reload();
    await waitForText(page, "#connection", /Live/);
    assert.equal(await page.getAttribute("html", "lang"), "en");
  },
);

pageTest(
  "the page asks the user for a token if the server requires one",
  { server: { ...STILL, token: "good" }, expectedFaults: /401|HTTP Authentication failed/ },
  async (page) => {
    await page.locator("#token-dialog[open]").waitFor();
    await page.fill("#token-input", "bad");
    await page.keyboard.press("Enter");
    await waitForText(page, "#token-error", /did not accept that token/);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.click("#token-button");
    await page.fill("#token-input", "good");
    await page.getByRole("button", { name: "Connect" }).click();
    await waitForText(page, "#connection", /Live/);
    await waitForText(page, "#figure-vehicles", /3/);
    await page.reload();
    await waitForText(page, "#connection", /Live/);
  },
);

pageTest(
  "a token in the address is used and removed from it",
  { server: { ...STILL, token: "good" }, path: "#token=good" },
  async (page, server) => {
    await waitForText(page, "#connection", /Live/);
    assert.equal(page.url(), server.url);
  },
);

pageTest(
  "a lost connection is resumed and counted",
  { server: STILL, expectedFaults: /WebSocket connection/ },
  async (page, server) => {
    await waitForText(page, "#connection", /Live/);
    server.event("dropped", { device_id: "0848086001", count: 7 });
    await waitForText(page, "#figure-dropped", /7/);
    for (const socket of server.sockets) socket.close(1011);
    await waitForText(page, "#figure-resumed", /1 · complete/);
    await waitForText(page, "#connection", /Live/);
    await waitForText(page, "#figure-vehicles", /^3$/);
  },
);

pageTest(
  "the page works over SSE if WebSockets do not get through",
  { server: STILL, expectedFaults: /WebSocket connection/ },
  async (page, server) => {
    await waitForText(page, "#connection", /Live/);
    server.refusesWebSockets = true;
    await page.reload();
    await waitForText(page, "#connection", /Live · SSE/);
    await waitForText(page, "#figure-vehicles", /3/);
  },
);
