/// <reference lib="dom" />
import { formatClock } from "../shared/language.ts";
import { byId, element, setText } from "../shared/dom.ts";
import type { Alarm } from "./reading.ts";
import { text } from "./texts.ts";
import type { Vehicle } from "./vehicle.ts";

const MAX_ALARMS = 200;

/** Alarms as they come, newest first. */
export class AlarmFeed {
  readonly #list = byId("alarm-list");
  readonly #empty = byId("alarms-empty");
  readonly #badge = byId("alarm-badge");
  readonly #announcer = byId("announcer");
  readonly #onSelect: (vehicle: Vehicle) => void;
  #unseen = 0;
  #visible = false;

  constructor(onSelect: (vehicle: Vehicle) => void) {
    this.#onSelect = onSelect;
  }

  /** Whether the user is looking at it: what has been seen is not counted. */
  set visible(visible: boolean) {
    this.#visible = visible;
    if (visible) this.#count(0);
  }

  add(alarm: Alarm, vehicle: Vehicle | undefined): void {
    const now = Date.now();
    const time = new Date(now);
    const head = element(
      "span",
      { class: "alarm-head" },
      element("strong", {}, alarm.kind),
      element("time", { datetime: time.toISOString() }, formatClock(now)),
    );
    const body = element("span", { class: "alarm-body" });
    body.append([vehicle?.id, alarm.detail].filter(Boolean).join(" · "));
    const content = vehicle?.positioned
      ? element("button", { type: "button", class: "alarm-button" }, head, body)
      : element("div", { class: "alarm-button" }, head, body);
    if (vehicle) content.addEventListener("click", () => this.#onSelect(vehicle));
    this.#list.prepend(element("li", { class: "alarm", "data-level": alarm.level }, content));
    while (this.#list.childElementCount > MAX_ALARMS) this.#list.lastElementChild!.remove();
    this.#empty.hidden = true;
    const words = [alarm.kind, vehicle?.id, alarm.detail].filter(Boolean).join(", ");
    setText(this.#announcer, text("newAlarm", { alarm: words }));
    if (!this.#visible) this.#count(this.#unseen + 1);
  }

  #count(unseen: number): void {
    this.#unseen = unseen;
    this.#badge.hidden = unseen === 0;
    setText(this.#badge, unseen > 99 ? "99+" : String(unseen));
  }
}
