/// <reference lib="dom" />
import { byId, element, setText } from "../shared/dom.ts";
import { formatClock, onLanguage } from "../shared/language.ts";
import type { AlarmEntry, Alarms } from "./alarms.ts";
import { text } from "./texts.ts";
import type { Vehicle } from "./fleet/vehicle.ts";

/** The list of alarms, the count of unseen ones, and the most urgent one on the map. */
export class AlarmFeed {
  readonly #alarms: Alarms;
  readonly #onSelect: (vehicle: Vehicle) => void;
  readonly #list = byId("alarm-list");
  readonly #badge = byId("alarm-badge");
  readonly #banner = byId("alarm-banner");
  readonly #items = new Map<AlarmEntry, HTMLElement>();
  #version = -1;
  #announced: AlarmEntry | undefined;
  #urgent: AlarmEntry | undefined;

  constructor(alarms: Alarms, onSelect: (vehicle: Vehicle) => void) {
    this.#alarms = alarms;
    this.#onSelect = onSelect;
    byId("see-all").addEventListener("click", () => {
      alarms.seeAll();
      this.refresh();
    });
    onLanguage(() => {
      this.#items.clear();
      this.#list.replaceChildren();
      this.#version = -1;
      this.#urgent = undefined;
      this.refresh();
    });
  }

  /** Shows what has changed. */
  refresh(): void {
    if (this.#alarms.version === this.#version) return;
    this.#version = this.#alarms.version;
    const { entries, unseen } = this.#alarms;
    for (const [entry, item] of this.#items) {
      if (entries.includes(entry)) continue;
      item.remove();
      this.#items.delete(entry);
    }
    entries.forEach((entry, index) => {
      const item = this.#items.get(entry) ?? this.#add(entry);
      if (this.#list.children[index] !== item) {
        this.#list.insertBefore(item, this.#list.children[index] ?? null);
      }
      item.classList.toggle("unseen", !entry.seen);
      item.querySelector<HTMLElement>(".see")!.hidden = entry.seen;
    });
    byId("alarms-empty").hidden = entries.length > 0;
    byId("see-all").hidden = unseen < 2;
    this.#badge.hidden = unseen === 0;
    setText(this.#badge, unseen > 99 ? "99+" : String(unseen));
    this.#announce(entries.find(({ seen }) => !seen));
    this.#showUrgent();
  }

  #add(entry: AlarmEntry): HTMLElement {
    const { alarm, vehicle } = entry;
    const content = vehicle
      ? element("button", { type: "button", class: "alarm-button" }, ...describe(entry))
      : element("div", { class: "alarm-button" }, ...describe(entry));
    content.addEventListener("click", () => this.#show(entry));
    const item = element(
      "li",
      { class: "alarm", "data-level": alarm.level },
      content,
      this.#seeButton(entry),
    );
    this.#items.set(entry, item);
    return item;
  }

  #seeButton(entry: AlarmEntry): HTMLElement {
    const label = `${text("see")}: ${words(entry)}`;
    const button = element(
      "button",
      { type: "button", class: "button see", "aria-label": label },
      text("see"),
    );
    button.addEventListener("click", () => {
      this.#alarms.see(entry);
      this.refresh();
    });
    return button;
  }

  #show(entry: AlarmEntry): void {
    if (!entry.vehicle) return;
    this.#alarms.see(entry);
    this.refresh();
    this.#onSelect(entry.vehicle);
  }

  #announce(newest: AlarmEntry | undefined): void {
    if (newest === this.#announced) return;
    this.#announced = newest;
    if (newest) setText(byId("announcer"), text("newAlarm", { alarm: words(newest) }));
  }

  /** Shown over the map until it has been seen. */
  #showUrgent(): void {
    const { urgent } = this.#alarms;
    this.#banner.hidden = !urgent;
    if (urgent === this.#urgent) return;
    this.#urgent = urgent;
    if (!urgent) return this.#banner.replaceChildren();
    const body = element("div", { class: "alarm-body" }, ...describe(urgent));
    this.#banner.replaceChildren(body);
    if (urgent.vehicle) {
      const show = element("button", { type: "button", class: "button" }, text("show"));
      show.addEventListener("click", () => this.#show(urgent));
      this.#banner.append(show);
    }
    this.#banner.append(this.#seeButton(urgent));
  }
}

function describe({ alarm, vehicle, at }: AlarmEntry): HTMLElement[] {
  const time = element("time", { datetime: new Date(at).toISOString() }, formatClock(at));
  const head = element("span", { class: "alarm-head" }, element("strong", {}, kind(alarm)), time);
  const detail = [vehicle?.name, alarm.detail].filter(Boolean).join(" · ");
  return [head, element("span", { class: "alarm-detail" }, detail)];
}

function words({ alarm, vehicle }: AlarmEntry): string {
  return [kind(alarm), vehicle?.name, alarm.detail].filter(Boolean).join(", ");
}

function kind(alarm: AlarmEntry["alarm"]): string {
  return alarm.silence ? text("wentSilent") : alarm.kind;
}
