/// <reference lib="dom" />
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { pageTest, waitForText } from "./page_kit.ts";

const STILL = { vehicles: 3, messagesPerSecond: 0 };
const CRITICAL = { tipo_mensaje: "alarmas", tipo_alarma: "CRITICA", descripcion: "Fallo" };
const SOS = { device_id: "0848086001", event: "sos", metadata: { severity: "high" } };
const INFO = { tipo_mensaje: "semaforos", tipo_alarma: "AZUL", empresa: "cota" };

const kinds = (page: Page) => page.locator("#alarm-list strong").allTextContents();
const levels = (page: Page) =>
  page.locator(".alarm").evaluateAll((nodes) =>
    nodes.map((node) => (node as HTMLElement).dataset.level)
  );

pageTest(
  "alarms show a count, an announcement and their vehicle until they are marked as seen",
  { server: STILL },
  async (page, server) => {
    await waitForText(page, "#connection", /Live/);
    for (const payload of [CRITICAL, INFO, SOS]) server.send(payload);
    await waitForText(page, "#alarm-badge", /^3$/);
    await waitForText(page, "#announcer", /Alarm: sos, 0848086001/);
    assert.equal(await page.title(), "(3) Telecast");
    await page.locator(".vehicle.alarmed").filter({ hasText: "0848086001" }).waitFor();
    // The banner over the map shows the newest critical alarm.
    await waitForText(page, "#alarm-banner", /sos.*0848086001/);

    await page.click("#alarms-tab");
    assert.deepEqual(await kinds(page), ["sos", "AZUL", "CRITICA"]);
    assert.deepEqual(await levels(page), ["critical", "info", "critical"]);
    // Opening the list does not mark alarms as seen.
    await waitForText(page, "#alarm-badge", /^3$/);
    await page.locator("#alarm-list").getByRole("button", { name: /^sos/ }).click();
    await waitForText(page, "#device-name", /0848086001/);
    await waitForText(page, "#alarm-badge", /^2$/);
    await waitForText(page, "#alarm-banner", /CRITICA.*Fallo/);
    await page.locator("#alarm-banner").getByRole("button", { name: "Seen" }).click();
    await page.locator("#alarm-banner").waitFor({ state: "hidden" });
    await page.locator("#alarm-list").getByRole("button", { name: "Seen: AZUL, cota" }).click();
    await page.locator("#alarm-badge").waitFor({ state: "hidden" });
    await page.waitForFunction(() => document.title === "Telecast");
    await page.click("#vehicles-tab");
    await page.locator(".vehicle.alarmed").waitFor({ state: "detached" });
  },
);

pageTest("all alarms can be marked as seen at once", { server: STILL }, async (page, server) => {
  await waitForText(page, "#connection", /Live/);
  for (let n = 0; n < 120; n++) server.send({ ...CRITICAL, descripcion: `no. ${n}` });
  await waitForText(page, "#alarm-badge", /^99\+$/);
  await page.click("#alarms-tab");
  await page.click("#see-all");
  await page.locator("#alarm-badge").waitFor({ state: "hidden" });
  assert.equal(await page.locator(".alarm").count(), 120);
  for (let n = 0; n < 120; n++) server.send({ ...CRITICAL, descripcion: `again ${n}` });
  await waitForText(page, "#alarm-list", /again 119/);
  assert.equal(await page.locator(".alarm").count(), 200);
});

pageTest(
  "an unseen alarm is still there after a reload; a seen one is not new again",
  { server: STILL },
  async (page, server) => {
    await waitForText(page, "#connection", /Live/);
    server.send(SOS);
    await waitForText(page, "#alarm-badge", /^1$/);
    await page.reload();
    await waitForText(page, "#alarm-badge", /^1$/);
    await waitForText(page, "#alarm-banner", /sos/);
    await page.locator("#alarm-banner").getByRole("button", { name: "Seen" }).click();
    await page.locator("#alarm-badge").waitFor({ state: "hidden" });
    await page.reload();
    await page.click("#alarms-tab");
    await waitForText(page, "#alarm-list", /sos/);
    await page.locator("#alarm-badge").waitFor({ state: "hidden" });
  },
);

pageTest(
  "a vehicle that goes silent while driving is reported, a parked one is not",
  { server: { vehicles: 13, messagesPerSecond: 0 } },
  async (page, server) => {
    await waitForText(page, "#connection", /Live/);
    // Every sixth vehicle is parked.
    for (const id of ["0848086000", "0848086006", "0848086001"]) {
      server.event("presence", { device_id: id, state: "stale" });
    }
    await waitForText(page, "#alarm-badge", /^1$/);
    await page.click("#alarms-tab");
    await waitForText(page, "#alarm-list", /Fell silent while moving.*0848086001/);
    await page.click("#language-button");
    await waitForText(page, "#alarm-list", /Dejó de transmitir en marcha/);
    await page.click("#vehicles-tab");
    await page.selectOption("#sort", "silent");
    server.send(server.fleet.all()[1]);
    await page.waitForFunction(() => {
      const rows = [...document.querySelectorAll<HTMLElement>(".vehicle:not([hidden])")];
      const last = rows.sort((a, b) => Number(a.dataset.index) - Number(b.dataset.index)).at(-1);
      return last?.querySelector(".name")?.textContent === "0848086001";
    });
  },
);

pageTest(
  "critical alarms play a sound if it is switched on",
  { server: STILL },
  async (page, server) => {
    await page.evaluate(() => {
      const start = OscillatorNode.prototype.start;
      Object.assign(globalThis, { tones: 0 });
      OscillatorNode.prototype.start = function (when) {
        (globalThis as unknown as { tones: number }).tones++;
        return start.call(this, when);
      };
    });
    const tones = () => page.evaluate(() => (globalThis as unknown as { tones: number }).tones);
    await waitForText(page, "#connection", /Live/);
    server.send(CRITICAL);
    await waitForText(page, "#alarm-badge", /^1$/);
    assert.equal(await tones(), 0);
    await page.click("#alarms-tab");
    await page.click("#sound-button");
    assert.equal(await tones(), 4);
    server.send(INFO);
    await waitForText(page, "#alarm-badge", /^2$/);
    server.send(CRITICAL);
    await waitForText(page, "#alarm-badge", /^3$/);
    await page.waitForFunction(() => (globalThis as unknown as { tones: number }).tones === 8);
    await page.reload();
    assert.equal(await page.getAttribute("#sound-button", "aria-pressed"), "true");
  },
);
