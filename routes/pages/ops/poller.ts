/// <reference lib="dom" />
import { type Api, problemOf } from "../shared/api.ts";
import type { Readiness, Stats } from "./stats.ts";

const EVERY_MS = 2_000;
const GIVE_UP_MS = 8_000;

export type PollState =
  | { readonly state: "connecting" }
  | { readonly state: "open" }
  /** `since` is the time of the last answer, in ms since 1970. */
  | { readonly state: "waiting"; readonly since: number }
  | { readonly state: "closed"; readonly reason: string };

export interface PollEvents {
  onStats(stats: Stats, readiness: Readiness): void;
  onState(state: PollState): void;
  /**
   * The server requires a token, or one that allows more; resolves when the user has entered one.
   */
  askForToken(why: "missing" | "refused" | "scope"): Promise<string>;
}

/** Requests the statistics every two seconds while the page is visible. */
export class Poller {
  readonly #api: Api;
  readonly #events: PollEvents;
  #lastAt = Date.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;

  constructor(api: Api, events: PollEvents) {
    this.#api = api;
    this.#events = events;
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.poll();
    });
    this.poll();
  }

  /** Requests them now, and continues from there. */
  poll(): void {
    if (this.#running) return;
    clearTimeout(this.#timer);
    this.#running = true;
    void this.#ask().finally(() => {
      this.#running = false;
      if (!document.hidden) this.#timer = setTimeout(() => this.poll(), EVERY_MS);
    });
  }

  async #ask(): Promise<void> {
    try {
      const signal = AbortSignal.timeout(GIVE_UP_MS);
      const [response, ready] = await Promise.all([
        this.#api.request("stats", { signal }),
        fetch(new URL("readyz", document.baseURI), { signal }),
      ]);
      if (response.status === 401 || response.status === 403) return await this.#refused(response);
      if (!response.ok) throw new Error(await problemOf(response));
      this.#lastAt = Date.now();
      this.#events.onState({ state: "open" });
      this.#events.onStats(await response.json(), await ready.json());
    } catch {
      this.#events.onState({ state: "waiting", since: this.#lastAt });
    }
  }

  async #refused(response: Response): Promise<void> {
    this.#events.onState({ state: "closed", reason: await problemOf(response) });
    const why = response.status === 403 ? "scope" : this.#api.token ? "refused" : "missing";
    this.#api.token = await this.#events.askForToken(why);
    await this.#ask();
  }
}
