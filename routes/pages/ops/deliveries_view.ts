/// <reference lib="dom" />
import { type Api, problemOf } from "../shared/api.ts";
import { byId, element, setText } from "../shared/dom.ts";
import { formatNumber, formatSpan, onLanguage } from "../shared/language.ts";
import type { Delivery, DeliveryStats, Stats } from "./stats.ts";
import { Table } from "./table.ts";
import { text } from "./texts.ts";

/** The list is read again when a counter has changed, and otherwise this often. */
const READ_EVERY_MS = 10_000;
const MAX_SHOWN = 50;

/** Work for the backend and WhatsApp: shows what waits or failed for good, and retries it. */
export class DeliveriesView {
  readonly #request: Api["request"];
  readonly #outcome = byId("retry-outcome");
  readonly #all = byId<HTMLButtonElement>("retry-all");
  readonly #more = element("p", { class: "help" });
  readonly #table: Table<Delivery>;
  #state: Delivery["state"] = "dead";
  #listed: readonly Delivery[] = [];
  #counters = "";
  #readAt = -Infinity;

  constructor(request: Api["request"]) {
    this.#request = request;
    this.#table = new Table<Delivery>([
      { label: "kind", cell: ({ kind }) => kind },
      { label: "reason", cell: ({ reason }) => reason ?? "–" },
      { label: "attempts", kind: "number", cell: ({ attempts }) => formatNumber(attempts) },
      { label: "deliveryId", kind: "text", cell: ({ id }) => id },
      { label: "action", cell: () => "", button: (delivery) => this.#retryButton(delivery) },
    ], { key: ({ id, state }) => `${state} ${id}`, labelledby: "deliveries-title" });
    byId("deliveries").append(this.#table.node, this.#more);
    for (const state of ["dead", "waiting"] as const) {
      byId(`show-${state}`).addEventListener("click", () => {
        this.#state = state;
        setText(this.#outcome, "");
        void this.#read();
      });
    }
    this.#all.addEventListener("click", () => void this.#retryAll());
  }

  refresh({ deliveries }: Stats, now: number): void {
    byId("delivery-tools").hidden = this.#table.node.hidden = deliveries === null;
    setText(
      byId("deliveries-help"),
      deliveries ? summary(deliveries) : text("deliveriesOff"),
    );
    if (!deliveries) return;
    const { waiting, done, kept_dead } = deliveries;
    const counters = [waiting, done, kept_dead].join();
    this.#show();
    if (counters === this.#counters && now - this.#readAt < READ_EVERY_MS) return;
    this.#counters = counters;
    this.#readAt = now;
    void this.#read();
  }

  async #read(): Promise<void> {
    const state = this.#state;
    const response = await this.#request(`deliveries?state=${state}`).catch(() => undefined);
    if (!response?.ok || state !== this.#state) return;
    this.#listed = (await response.json()).deliveries;
    this.#show();
  }

  #show(): void {
    for (const state of ["dead", "waiting"] as const) {
      byId(`show-${state}`).setAttribute("aria-pressed", String(state === this.#state));
    }
    const listed = this.#listed.filter(({ state }) => state === this.#state);
    this.#table.show(
      listed.slice(0, MAX_SHOWN),
      text(this.#state === "dead" ? "noDead" : "noWaiting"),
    );
    const more = Math.max(0, listed.length - MAX_SHOWN);
    setText(this.#more, more > 0 ? text("more", { count: formatNumber(more) }) : "");
    this.#all.hidden = this.#state !== "dead" || listed.length < 2;
  }

  #retryButton({ id, state }: Delivery): HTMLElement {
    const button = element("button", { type: "button", class: "button" });
    onLanguage(() => {
      button.textContent = text("retry");
      button.setAttribute("aria-label", text("retryOf", { id }));
    });
    button.hidden = state !== "dead";
    button.addEventListener("click", async () => {
      button.disabled = true;
      const reason = await this.#retry(id);
      button.disabled = false;
      this.#tell(reason, text("retried", { id }));
      await this.#read();
    });
    return button;
  }

  async #retryAll(): Promise<void> {
    this.#all.disabled = true;
    let count = 0;
    let reason: string | undefined;
    for (const { id } of this.#listed) {
      reason = await this.#retry(id);
      if (reason !== undefined) break;
      count++;
    }
    this.#all.disabled = false;
    this.#tell(reason, text("retriedAll", { count: formatNumber(count) }));
    await this.#read();
  }

  /** Resolves with the reason if it could not be retried. */
  async #retry(id: string): Promise<string | undefined> {
    try {
      const path = `deliveries/${encodeURIComponent(id)}/retry`;
      const response = await this.#request(path, { method: "POST" });
      return response.ok ? undefined : await problemOf(response);
    } catch (error) {
      return String(error);
    }
  }

  #tell(reason: string | undefined, success: string): void {
    setText(this.#outcome, reason === undefined ? success : text("notRetried", { reason }));
    this.#outcome.classList.toggle("wrong", reason !== undefined);
  }
}

function summary({ waiting, oldest_ms, done, kept_dead }: DeliveryStats): string {
  const words = text("deliveriesSummary", {
    waiting: formatNumber(waiting),
    done: formatNumber(done),
    dead: formatNumber(kept_dead),
  });
  if (waiting === 0) return words;
  return `${words}; ${text("deliveriesOldest", { time: formatSpan(oldest_ms) })}`;
}
