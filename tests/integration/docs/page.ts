/** A Chromium page for the browser code in the documentation. */

import { type Browser, chromium, type Page } from "playwright-core";
import { eventually } from "../../kit/eventually.ts";

/** A page and its console output. */
export class BrowserPage implements AsyncDisposable {
  readonly log: string[] = [];

  private constructor(private readonly browser: Browser, readonly page: Page) {
    page.on("console", (message) => this.log.push(message.text()));
    page.on("pageerror", (error) => this.log.push(`pageerror: ${error.message}`));
  }

  static async open(url: string): Promise<BrowserPage> {
    const browser = await chromium.launch({
      executablePath: "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
    });
    const opened = new BrowserPage(browser, await browser.newPage());
    await opened.page.goto(url);
    return opened;
  }

  /** Waits until the console has a line with the text. */
  async logged(text: string): Promise<void> {
    await eventually(`${text} on the page's console`, () => {
      if (this.log.some((line) => line.includes(text))) return true;
      throw new Error(this.log.join("\n"));
    }, { timeoutMs: 20_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
  }
}

/** playwright-core keeps its pipes open until the browser's process has ended. */
export const browserTest = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
