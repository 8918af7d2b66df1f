/// <reference lib="dom" />
import assert from "node:assert/strict";
import type { BrowserContextOptions, Page } from "playwright-core";
import { launchChromium, watchPage } from "./chromium.ts";
import { PageServer, type PageServerOptions } from "./page_server.ts";

/** Long enough for a busy machine. */
const WAIT_MS = 40_000;

export interface BrowserTestOptions {
  readonly context?: BrowserContextOptions;
  /** Appended to the page's address. */
  readonly path?: string;
  /** Faults that this test causes. */
  readonly expectedFaults?: RegExp;
}

export interface PageTestOptions extends BrowserTestOptions {
  readonly server?: PageServerOptions;
}

/** A server of a page. */
export interface Site extends AsyncDisposable {
  readonly url: string;
}

/** Runs `body` on the live page, with a simulated stream. */
export function pageTest(
  name: string,
  options: PageTestOptions,
  body: (page: Page, server: PageServer) => Promise<void>,
): void {
  browserTest(name, () => Promise.resolve(new PageServer(options.server)), options, body);
}

/** Runs `body` on the opened page, in its own Chromium; faults of the page fail the test. */
export function browserTest<S extends Site>(
  name: string,
  start: () => Promise<S>,
  options: BrowserTestOptions,
  body: (page: Page, site: S) => Promise<void>,
): void {
  // The driver keeps timers and a process across tests and ends them by itself.
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false }, async () => {
    await using site = await start();
    const browser = await launchChromium();
    try {
      const context = await browser.newContext({
        locale: "en-US",
        viewport: { width: 1366, height: 768 },
        ...options.context,
      });
      const page = await context.newPage();
      page.setDefaultTimeout(WAIT_MS);
      const faults = watchPage(page, new URL(site.url).origin);
      await page.goto(site.url + (options.path ?? ""));
      await body(page, site);
      const expected = options.expectedFaults;
      assert.deepEqual(faults.filter((fault) => !expected?.test(fault)), []);
    } finally {
      await browser.close();
    }
  });
}

/** Waits until the element's text matches. */
export async function waitForText(page: Page, selector: string, text: RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).first().waitFor();
}

/** Ids in the visible rows, from top to bottom. */
export async function shownIds(page: Page): Promise<string[]> {
  const rows = await page.locator(".vehicle:not([hidden])").evaluateAll((nodes) =>
    nodes.map((node) => ({
      index: Number((node as HTMLElement).dataset.index),
      id: node.querySelector(".name")!.textContent!,
    }))
  );
  return rows.sort((a, b) => a.index - b.index).map(({ id }) => id);
}

/** Waits until exactly these ids are listed. */
export async function waitForIds(page: Page, ids: readonly string[]): Promise<void> {
  await page.waitForFunction((expected) => {
    const names = [...document.querySelectorAll(".vehicle:not([hidden]) .name")];
    return names.map((node) => node.textContent).sort().join() === expected;
  }, [...ids].sort().join());
}

/** Pixels of the map's markers that are not transparent. */
export function paintedPixels(page: Page): Promise<number> {
  return page.locator(".leaflet-marker-pane canvas").evaluate((node) => {
    const canvas = node as HTMLCanvasElement;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    let painted = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]! > 0) painted++;
    return painted;
  });
}
