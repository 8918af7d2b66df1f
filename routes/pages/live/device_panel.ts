/// <reference lib="dom" />
import type { Api } from "../shared/api.ts";
import { formatNumber, formatSpan, onLanguage } from "../shared/language.ts";
import { CommandForm } from "./command_form.ts";
import { describe } from "./device_list.ts";
import { byId, element, icon, setText } from "../shared/dom.ts";
import { visible, visibleJson } from "../shared/unseen.ts";
import { HistoryList } from "./history_list.ts";
import { Plots } from "./plots.ts";
import { text, type TextKey } from "./texts.ts";
import type { Vehicle } from "./fleet/vehicle.ts";

type Value = (vehicle: Vehicle) => string | undefined;

const VALUES: [TextKey, Value][] = [
  ["speed", ({ reading }) => unit(reading?.speed, " km/h", 1)],
  ["course", ({ reading }) => unit(reading?.course, "°", 0)],
  ["satellites", ({ reading }) => unit(reading?.satellites, "", 0)],
  ["engine", ({ reading }) => {
    return reading?.engineOn === undefined ? undefined : text(reading.engineOn ? "on" : "off");
  }],
  ["position", ({ reading }) => {
    const { latitude, longitude } = reading?.position ?? {};
    return latitude === undefined ? undefined : `${latitude.toFixed(6)}, ${longitude!.toFixed(6)}`;
  }],
  ["deviceTime", ({ reading }) => reading?.deviceTime],
  ["received", ({ seenAt }) => {
    return seenAt === undefined
      ? undefined
      : text("ago", { time: formatSpan(Date.now() - seenAt) });
  }],
  ["company", ({ reading }) => reading?.company && visible(reading.company)],
];

export interface PanelActions {
  readonly request: Api["request"];
  onClose(): void;
  onFollow(follow: boolean): void;
}

/** Everything about the selected vehicle. */
export class DevicePanel {
  readonly #node = byId("device");
  readonly #actions: PanelActions;
  readonly #plots = new Plots();
  readonly #opened = new Set<TextKey>(["rawMessage"]);
  #vehicle: Vehicle | undefined;
  #version = -1;
  #values: { node: HTMLElement; row: HTMLElement; value: Value }[] = [];
  #status = element("p", { class: "device-status" });
  readonly #history = new HistoryList();
  #raw = element("pre", { class: "raw", tabindex: 0 });
  #follow = element("button", { type: "button", class: "button" });

  constructor(actions: PanelActions) {
    this.#actions = actions;
    onLanguage(() => this.#build());
    this.#node.addEventListener("keydown", (event) => {
      if (event.key === "Escape") actions.onClose();
    });
  }

  get vehicle(): Vehicle | undefined {
    return this.#vehicle;
  }

  set following(following: boolean) {
    this.#follow.setAttribute("aria-pressed", String(following));
  }

  show(vehicle: Vehicle | undefined): void {
    if (vehicle !== this.#vehicle) this.#history.clear();
    this.#vehicle = vehicle;
    this.#node.hidden = !vehicle;
    document.body.classList.toggle("has-device", vehicle !== undefined);
    this.#build();
    if (vehicle) this.#node.scrollTop = 0;
  }

  focus(): void {
    this.#node.focus();
  }

  /** Adds a new message of the vehicle that is shown. */
  addMessage(payload: unknown): void {
    this.#history.add(payload);
  }

  /** Adds earlier messages, oldest first. */
  addOlderMessages(payloads: readonly unknown[]): void {
    this.#history.addOlder(payloads);
  }

  /** Shows what has changed. */
  refresh(): void {
    const vehicle = this.#vehicle;
    if (!vehicle) return;
    for (const { node, row, value } of this.#values) {
      const shown = value(vehicle);
      row.hidden = shown === undefined;
      setText(node, shown ?? "");
    }
    if (vehicle.version === this.#version) return;
    this.#version = vehicle.version;
    setText(this.#status, describe(vehicle));
    this.#status.dataset.motion = vehicle.motion;
    // Replacing the text would remove the user's selection in it.
    if (getSelection()?.isCollapsed !== false || !this.#raw.contains(getSelection()!.anchorNode)) {
      setText(this.#raw, visibleJson(vehicle.payload));
    }
    this.#plots.show(vehicle);
  }

  /** A section that can be closed; it stays so for the next vehicle. */
  #section(name: TextKey, ...children: Node[]): HTMLElement {
    const node = element("details", { class: "section", open: this.#opened.has(name) });
    node.append(element("summary", {}, text(name)), ...children);
    node.addEventListener("toggle", () => {
      if (node.open) this.#opened.add(name);
      else this.#opened.delete(name);
    });
    return node;
  }

  #build(): void {
    const vehicle = this.#vehicle;
    if (!vehicle) return this.#node.replaceChildren();
    const close = element(
      "button",
      { type: "button", class: "tool", title: text("close"), "aria-label": text("close") },
      icon("M6 6l12 12M18 6 6 18"),
    );
    close.addEventListener("click", () => this.#actions.onClose());
    this.#follow = element("button", { type: "button", class: "button" }, text("follow"));
    this.#follow.setAttribute("aria-pressed", "false");
    this.#follow.addEventListener("click", () => {
      this.#actions.onFollow(this.#follow.getAttribute("aria-pressed") !== "true");
    });
    const copy = element("button", { type: "button", class: "button small" }, text("copy"));
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(this.#raw.textContent ?? "");
      copy.textContent = text("copied");
    });
    const list = element("dl", { class: "values" });
    this.#values = VALUES.map(([label, value]) => {
      const node = element("dd");
      const row = element("div", { "data-value": label }, element("dt", {}, text(label)), node);
      list.append(row);
      return { node, row, value };
    });
    const heading = element("h2", { id: "device-name" }, vehicle.name);
    const raw = this.#section("rawMessage", this.#raw, copy);
    const past = this.#section("history", this.#history.node);
    const form = new CommandForm(vehicle.id, this.#actions.request);
    const command = this.#section("command", form.node);
    const titles = element("div", { class: "device-titles" }, heading, this.#status);
    this.#node.replaceChildren(
      element("header", { class: "device-head" }, titles, this.#follow, close),
      element("h3", { class: "section-title" }, text("lastValues")),
      list,
      element("h3", { class: "section-title" }, text("overTime")),
      this.#plots.node,
      raw,
      past,
      command,
    );
    this.#version = -1;
    this.refresh();
  }
}

function unit(value: number | undefined, suffix: string, digits: number): string | undefined {
  return value === undefined ? undefined : formatNumber(value, digits) + suffix;
}
