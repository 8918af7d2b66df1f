import { type Browser, chromium, type Page } from "playwright-core";

/** Debian's path; CHROMIUM_PATH overrides it. */
const DEFAULT_PATH = "/usr/bin/chromium";

/** Starts a headless Chromium with its own profile and without background requests. */
export function launchChromium(args: string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: Deno.env.get("CHROMIUM_PATH") ?? DEFAULT_PATH,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...args,
    ],
  });
}

/** Collects what must not happen on a page: errors, and requests to other hosts. */
export function watchPage(page: Page, origin: string): string[] {
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error.stack ?? error)));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  page.on("request", (request) => {
    const url = request.url();
    if (/^(https?|wss?):/.test(url) && !url.replace(/^ws/, "http").startsWith(origin)) {
      faults.push(`asked another host: ${url}`);
    }
  });
  return faults;
}
