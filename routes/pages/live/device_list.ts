/// <reference lib="dom" />
import { formatNumber, formatSpan, onLanguage } from "../shared/language.ts";
import { byId, element, setText } from "../shared/dom.ts";
import { visible } from "../shared/unseen.ts";
import type { Fleet, Order } from "./fleet/fleet.ts";
import { text } from "./texts.ts";
import type { Vehicle } from "./fleet/vehicle.ts";

/** Height of a row in rem; the style sheet must agree with it. */
const ROW_REM = 3.5;
const SPARE_ROWS = 3;

interface Row {
  readonly node: HTMLElement;
  readonly marker: HTMLElement;
  readonly name: HTMLElement;
  readonly detail: HTMLElement;
  readonly age: HTMLElement;
}

/** The list of vehicles; only visible rows are in the document. */
export class DeviceList {
  readonly #fleet: Fleet;
  readonly #onSelect: (vehicle: Vehicle) => void;
  readonly #node = byId("list");
  readonly #spacer = byId("list-spacer");
  readonly #empty = byId("list-empty");
  readonly #rows: Row[] = [];
  #vehicles: Vehicle[] = [];
  #membership = -1;
  #sortedVersion = -1;
  #rowPx = 56;
  #order: Order = "id";
  /** Id of the row that the keys move; it is not necessarily selected. */
  #active: string | undefined;
  #selected: Vehicle | undefined;

  constructor(fleet: Fleet, onSelect: (vehicle: Vehicle) => void) {
    this.#fleet = fleet;
    this.#onSelect = onSelect;
    this.#node.addEventListener("scroll", () => this.#render());
    this.#node.addEventListener("click", (event) => {
      const row = (event.target as Element).closest<HTMLElement>("[data-index]");
      if (row) this.#choose(Number(row.dataset.index));
    });
    this.#node.addEventListener("keydown", (event) => this.#onKey(event));
    this.#node.addEventListener("focus", () => this.#render());
    this.#node.addEventListener("blur", () => this.#render());
    new ResizeObserver(() => this.#measure()).observe(this.#node);
    onLanguage(() => this.#render());
  }

  get order(): Order {
    return this.#order;
  }

  set order(order: Order) {
    this.#order = order;
    this.#membership = -1;
    this.refresh();
  }

  set selected(vehicle: Vehicle | undefined) {
    this.#selected = vehicle;
    if (vehicle) {
      this.#active = vehicle.id;
      this.#scrollTo(this.#vehicles.indexOf(vehicle));
    }
    this.#render();
  }

  /** Sorts again if vehicles were added or removed or, unless sorted by id, changed. Then draws. */
  refresh(): void {
    const stale = this.#order !== "id" && this.#sortedVersion !== this.#fleet.version;
    if (this.#membership !== this.#fleet.membership || stale) {
      this.#membership = this.#fleet.membership;
      this.#sortedVersion = this.#fleet.version;
      this.#vehicles = this.#fleet.list(this.#order);
      this.#spacer.style.height = `${this.#vehicles.length * this.#rowPx}px`;
    }
    this.#render();
  }

  #measure(): void {
    this.#rowPx = ROW_REM * parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.#membership = -1;
    this.refresh();
  }

  #render(): void {
    const count = this.#vehicles.length;
    this.#empty.hidden = count > 0;
    if (count === 0) {
      setText(this.#empty, text(this.#fleet.vehicles.size === 0 ? "noVehicles" : "noMatch"));
    }
    const first = Math.max(0, Math.floor(this.#node.scrollTop / this.#rowPx) - SPARE_ROWS);
    const fitting = Math.ceil(this.#node.clientHeight / this.#rowPx) + 2 * SPARE_ROWS;
    const last = Math.min(count, first + fitting);
    while (this.#rows.length < last - first) this.#addRow();
    const now = Date.now();
    let active: string | undefined;
    this.#rows.forEach((row, i) => {
      const index = first + i;
      const vehicle = index < last ? this.#vehicles[index] : undefined;
      row.node.hidden = !vehicle;
      if (!vehicle) return;
      this.#fill(row, vehicle, index, now);
      if (vehicle.id === this.#active) active = row.node.id;
    });
    if (active) this.#node.setAttribute("aria-activedescendant", active);
    else this.#node.removeAttribute("aria-activedescendant");
  }

  #addRow(): void {
    const marker = element("span", { class: "marker", "aria-hidden": "true" });
    const name = element("span", { class: "name" });
    const detail = element("span", { class: "detail" });
    const age = element("span", { class: "age" });
    const id = `row-${this.#rows.length}`;
    const node = element(
      "div",
      { id, class: "vehicle", role: "option" },
      marker,
      name,
      detail,
      age,
    );
    this.#rows.push({ node, marker, name, detail, age });
    this.#spacer.append(node);
  }

  #fill(row: Row, vehicle: Vehicle, index: number, now: number): void {
    const { node, marker } = row;
    node.style.transform = `translateY(${index * this.#rowPx}px)`;
    node.dataset.index = String(index);
    setAttribute(node, "aria-posinset", index + 1);
    setAttribute(node, "aria-setsize", this.#vehicles.length);
    setAttribute(node, "aria-selected", vehicle === this.#selected);
    node.classList.toggle("active", vehicle.id === this.#active);
    const { motion } = vehicle;
    if (marker.dataset.motion !== motion) marker.dataset.motion = motion;
    marker.style.rotate = motion === "moving" ? `${Math.round(vehicle.heading)}deg` : "";
    node.classList.toggle("alarmed", vehicle.hasAlarm);
    setText(row.name, vehicle.name);
    setText(row.detail, describe(vehicle));
    const { seenAt } = vehicle;
    setText(row.age, seenAt === undefined ? "" : formatSpan(now - seenAt));
  }

  #onKey(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.#node.clientHeight / this.#rowPx) - 1);
    const at = this.#vehicles.findIndex(({ id }) => id === this.#active);
    const to: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at < 0 ? 0 : at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: this.#vehicles.length - 1,
    };
    if (event.key === "Enter" || event.key === " ") {
      if (at >= 0) this.#choose(at);
    } else if (event.key in to) {
      const index = Math.max(0, Math.min(this.#vehicles.length - 1, to[event.key]!));
      this.#active = this.#vehicles[index]?.id;
      this.#scrollTo(index);
      this.#render();
    } else {
      return;
    }
    event.preventDefault();
  }

  #choose(index: number): void {
    const vehicle = this.#vehicles[index];
    if (!vehicle) return;
    this.#active = vehicle.id;
    this.#onSelect(vehicle);
  }

  #scrollTo(index: number): void {
    if (index < 0) return;
    const top = index * this.#rowPx;
    const { scrollTop, clientHeight } = this.#node;
    if (top < scrollTop) this.#node.scrollTop = top;
    else if (top + this.#rowPx > scrollTop + clientHeight) {
      this.#node.scrollTop = top + this.#rowPx - clientHeight;
    }
  }
}

/** Motion and speed in words, e.g. `Moving · 42 km/h`. */
export function describe(vehicle: Vehicle): string {
  const { motion, reading } = vehicle;
  const speed = motion === "moving" ? ` · ${formatNumber(reading!.speed!)} km/h` : "";
  const company = reading?.company && reading.company !== vehicle.id
    ? ` · ${visible(reading.company)}`
    : "";
  return `${text(motion)}${speed}${company}`;
}

function setAttribute(node: Element, name: string, value: string | number | boolean): void {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}
