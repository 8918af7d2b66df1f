/// <reference lib="dom" />
import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { launchChromium, watchPage } from "./chromium.ts";
import { PageServer } from "./page_server.ts";
import { pageTest, paintedPixels, shownIds, waitForIds, waitForText } from "./page_kit.ts";

const TILE = '<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256"/>';

pageTest(
  "the live page shows every vehicle at once, and updates with each message",
  { server: { vehicles: 12, messagesPerSecond: 0 } },
  async (page, server) => {
    await waitForText(page, "#connection", /Live/);
    await waitForText(page, "#figure-vehicles", /12/);
    assert.deepEqual(await shownIds(page), server.fleet.ids);
    await eventually("markers on the map", async () => await paintedPixels(page) > 500);

    const id = server.fleet.ids[3]!;
    server.send({ data: { DEVICE_ID: id, LATITUD: "20.6", LONGITUD: "-100.4", SPEED: "87.3" } });
    await waitForText(page, ".vehicle", new RegExp(`${id}.*87 km/h`, "s"));
    server.send({ data: { DEVICE_ID: "new-one", LAT: 20.61, LON: -100.41, SPEED: 0 } });
    await waitForText(page, "#figure-vehicles", /13/);
  },
);

pageTest(
  "search and filters choose what list and map show",
  { server: { vehicles: 10, messagesPerSecond: 0 } },
  async (page, server) => {
    await waitForText(page, "#figure-vehicles", /9.*10/);
    await waitForText(page, '[data-show="stale"]', /1/);
    const all = await eventually("markers", () => paintedPixels(page));

    await page.fill("#search", "6003");
    await waitForIds(page, ["0848086003"]);
    await eventually("one marker", async () => await paintedPixels(page) < all / 3);
    await page.fill("#search", "nothing");
    await waitForText(page, "#list-empty", /No vehicle matches/);
    await page.fill("#search", "");

    await page.click('[data-show="stale"]');
    await waitForIds(page, ["0848086008"]);
    server.event("presence", { device_id: "0848086004", state: "stale" });
    await waitForIds(page, ["0848086004", "0848086008"]);
    server.send(server.fleet.all()[8]);
    await waitForIds(page, ["0848086004"]);

    await page.click('[data-show="all"]');
    server.send({ device_id: "truck", empresa: "cota", data: { lat: 20.6, lon: -100.4 } });
    await page.selectOption("#company", "cota");
    await waitForIds(page, ["truck"]);
  },
);

pageTest(
  "a device's panel shows its values, plots and message, and follows new messages",
  { server: { vehicles: 5, messagesPerSecond: 20 } },
  async (page) => {
    await page.locator(".vehicle").nth(1).click();
    assert.equal(await page.textContent("#device-name"), "0848086001");
    await waitForText(page, '[data-value="speed"]', /km\/h/);
    await waitForText(page, '[data-value="position"]', /20\.\d+, -100\.\d+/);
    await waitForText(page, ".raw", /"LATITUD": "\+20\./);
    await page.locator(".plot canvas").nth(1).waitFor();
    await waitForText(page, ".plot-title", /Speed [\d.]+ km\/h min \d/);
    const before = await page.textContent(".raw");
    await page.waitForFunction(
      (old) => document.querySelector(".raw")!.textContent !== old,
      before,
    );

    const follow = page.getByRole("button", { name: "Follow" });
    await follow.click();
    assert.equal(await follow.getAttribute("aria-pressed"), "true");
    await page.mouse.move(600, 400);
    await page.mouse.down();
    await page.mouse.move(500, 300, { steps: 4 });
    await page.mouse.up();
    assert.equal(await follow.getAttribute("aria-pressed"), "false");
    await page.getByRole("button", { name: "Close" }).click();
    await page.locator("#device").waitFor({ state: "hidden" });
  },
);

pageTest(
  "the plots start with the messages that the server has kept",
  { server: { vehicles: 3, messagesPerSecond: 0 } },
  async (page) => {
    await page.locator(".vehicle").nth(1).click();
    // The minimum and maximum of 30 messages differ; those of a single snapshot do not.
    await waitForText(page, ".plot-title", /Satellites \d+ min 7 · max 1[12]/);
  },
);

pageTest(
  "a device's history shows the messages that the server has kept, and new ones",
  { server: { vehicles: 3, messagesPerSecond: 0 } },
  async (page, server) => {
    await page.locator(".vehicle").nth(1).click();
    await page.getByText("History", { exact: true }).click();
    const items = page.locator(".history > li");
    await items.nth(29).waitFor();
    assert.match(
      (await items.first().textContent())!,
      /^\d\d:\d\d:\d\d · \d+ km\/h · 20\.\d+, -100/,
    );
    server.send({
      data: { DEVICE_ID: "0848086001", SPEED: "99", GPS_DATETIME: "2026-01-02 03:04:05" },
    });
    server.send({ data: { DEVICE_ID: "0848086002", SPEED: "11" } });
    await items.filter({ hasText: /99 km\/h/ }).waitFor();
    assert.equal(await items.count(), 31);
    await items.first().click();
    await waitForText(page, ".history .raw", /"SPEED": "99"/);
    await page.locator(".vehicle").nth(2).click();
    await waitForText(page, "#device-name", /0848086002/);
    await items.nth(29).waitFor();
    assert.equal(await items.filter({ hasText: "99 km/h" }).count(), 0);
  },
);

pageTest(
  "a history that loads slowly has each message once, and is shown only for its own vehicle",
  { server: { vehicles: 2, messagesPerSecond: 0 } },
  async (page, server) => {
    await waitForText(page, '[data-show="all"]', /2/);
    const message = (id: string, speed: number) => ({ data: { DEVICE_ID: id, SPEED: speed } });
    const [a, b] = server.fleet.ids as [string, string];
    const gate = Promise.withResolvers<void>();
    await page.route("**/messages?*", async (route) => {
      const id = route.request().url().includes(a) ? a : b;
      await gate.promise;
      await route.fulfill({ json: { messages: [message(id, 1), message(id, 2)], next: null } });
    });
    await page.getByText(a).first().click();
    await page.getByText("History", { exact: true }).click();
    await page.getByText(b).first().click();
    await page.getByText(a).first().click();
    server.send(message(a, 2));
    server.send(message(a, 3));
    const items = page.locator(".history > li");
    await items.nth(1).waitFor();
    gate.resolve();
    await items.nth(2).waitFor();
    assert.deepEqual(await items.allTextContents(), ["– · 3 km/h", "– · 2 km/h", "– · 1 km/h"]);
    await page.getByText(b).first().click();
    await items.filter({ hasText: "1 km/h" }).waitFor();
    assert.equal(await items.count(), 2);
    await page.getByText(a).first().click();
    await items.nth(1).waitFor();
    await waitForText(page, "#device-name", new RegExp(a));
    assert.deepEqual(await items.allTextContents(), ["– · 2 km/h", "– · 1 km/h"]);
  },
);

pageTest(
  "a click on a marker opens its vehicle, a click next to it closes the panel",
  { server: { vehicles: 1, messagesPerSecond: 0 } },
  async (page) => {
    await eventually("the marker", async () => await paintedPixels(page) > 0);
    const box = (await page.locator("#map").boundingBox())!;
    // The only vehicle is in the middle of the view.
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    await waitForText(page, "#device-name", /0848086000/);
    await page.mouse.click(box.x + 150, box.y + 150);
    await page.locator("#device").waitFor({ state: "hidden" });
  },
);

pageTest(
  "the page can be used with the keyboard only",
  { server: { vehicles: 40, messagesPerSecond: 0 } },
  async (page) => {
    await waitForText(page, "#figure-vehicles", /40/);
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement!.id), "search");
    await page.keyboard.type("60");
    await waitForIds(page, (await shownIds(page)).filter((id) => id.includes("60")));
    await page.fill("#search", "");

    await page.locator("#list").focus();
    for (const key of ["ArrowDown", "ArrowDown", "End", "Home", "PageDown", "ArrowUp"]) {
      await page.keyboard.press(key);
    }
    const active = await page.evaluate(() => {
      const id = document.querySelector("#list")!.getAttribute("aria-activedescendant");
      return document.getElementById(id!)!.querySelector(".name")!.textContent;
    });
    await page.keyboard.press("Enter");
    assert.equal(await page.textContent("#device-name"), active);
    await page.keyboard.press("Escape");
    await page.locator("#device").waitFor({ state: "hidden" });

    await page.locator("#vehicles-tab").focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.evaluate(() => document.activeElement!.id), "alarms-tab");
    await page.locator("#alarms").waitFor();
  },
);

pageTest(
  "a command is sent to its device, and the result is shown",
  {
    server: { vehicles: 2, messagesPerSecond: 0 },
    expectedFaults: /503/,
  },
  async (page, server) => {
    await page.locator(".vehicle").first().click();
    await page.getByText("Send a command").click();
    await page.fill("#command-input", "not json");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await waitForText(page, "#command-outcome", /not a JSON object/);
    await page.fill("#command-input", '{"action":"stop"}');
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await waitForText(page, "#command-outcome", /On its way/);
    assert.deepEqual(server.commands, [{ deviceId: "0848086000", body: { action: "stop" } }]);
    server.answersCommandsWith = 503;
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await waitForText(page, "#command-outcome", /Not sent: The broker is away/);
  },
);

Deno.test("a map with tiles sends requests only to their host", {
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  const asked: string[] = [];
  await using _tiles = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    asked.push(new URL(request.url).pathname);
    return new Response(TILE, { headers: { "content-type": "image/svg+xml" } });
  });
  const { port } = _tiles.addr;
  await using server = new PageServer({
    vehicles: 3,
    messagesPerSecond: 0,
    mapTilesUrl: `http://127.0.0.1:${port}/{z}/{x}/{y}.svg`,
  });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const faults = watchPage(page, server.url.slice(0, -1));
    await page.goto(server.url);
    await page.locator(".leaflet-tile-loaded").first().waitFor();
    await waitForText(page, ".leaflet-control-attribution", /127\.0\.0\.1/);
    assert.match(asked[0]!, /^\/\d+\/\d+\/\d+\.svg$/);
    assert.deepEqual(faults.filter((fault) => !fault.includes(`:${port}/`)), []);
  } finally {
    await browser.close();
  }
});

pageTest(
  "the address keeps the view across a reload",
  {
    server: { vehicles: 12, messagesPerSecond: 0 },
    path: "?show=online&device=0848086003&other=1",
  },
  async (page, server) => {
    await waitForText(page, "#device-name", /0848086003/);
    assert.equal(await page.getAttribute('[data-show="online"]', "aria-pressed"), "true");
    await page.click('[data-show="all"]');
    await page.fill("#search", "086004");
    await page.selectOption("#sort", "speed");
    await page.getByRole("button", { name: "Close" }).click();
    server.send({ device_id: "truck-086004", empresa: "cota", data: { lat: 20.6, lon: -100.4 } });
    await page.selectOption("#company", "cota");
    await waitForIds(page, ["truck-086004"]);
    await page.waitForURL("**/?other=1&q=086004&company=cota&sort=speed");
    await page.reload();
    await waitForIds(page, ["truck-086004"]);
    assert.equal(await page.inputValue("#search"), "086004");
    assert.equal(await page.inputValue("#company"), "cota");
    assert.equal(await page.inputValue("#sort"), "speed");
  },
);
