/// <reference lib="dom" />
import { formatNumber, onLanguage } from "../shared/language.ts";
import { byId, element, setText } from "../shared/dom.ts";
import { visible } from "../shared/unseen.ts";
import type { Filter, Fleet, Show } from "./fleet/fleet.ts";
import { text, type TextKey } from "./texts.ts";

const SHOWS: [Show, TextKey][] = [
  ["all", "filterAll"],
  ["online", "filterOnline"],
  ["stale", "filterStale"],
];

/** Search and filters, which decide what the list and the map show. */
export class Filters {
  readonly #fleet: Fleet;
  readonly #onChange: () => void;
  /** The chosen company; none of its vehicles may be known yet. */
  #chosen = "";
  readonly #search = byId<HTMLInputElement>("search");
  readonly #company = byId<HTMLSelectElement>("company");
  readonly #buttons = new Map<Show, { button: HTMLElement; count: HTMLElement }>();
  #show: Show = "all";
  #companies = 0;

  constructor(fleet: Fleet, first: Filter, onChange: () => void) {
    this.#fleet = fleet;
    this.#onChange = onChange;
    this.#search.value = first.search;
    this.#show = first.show;
    this.#chosen = first.company;
    for (const [show, label] of SHOWS) {
      const name = element("span");
      const count = element("span", { class: "count" });
      const button = element(
        "button",
        { type: "button", class: "filter", "data-show": show },
        name,
        count,
      );
      button.addEventListener("click", () => {
        this.#show = show;
        this.#apply();
      });
      byId("filters").append(button);
      this.#buttons.set(show, { button, count });
      onLanguage(() => name.textContent = text(label));
    }
    this.#search.addEventListener("input", () => this.#apply());
    this.#company.addEventListener("change", () => {
      this.#chosen = this.#company.value;
      this.#apply();
    });
    onLanguage(() => this.#companies = -1);
    this.#apply();
  }

  focusSearch(): void {
    this.#search.focus();
    this.#search.select();
  }

  /** Shows the counts, and the companies if there are any. */
  refresh(): void {
    const { vehicles, online, companies } = this.#fleet;
    const counts = { all: vehicles.size, online, stale: vehicles.size - online };
    for (const [show, { count }] of this.#buttons) setText(count, formatNumber(counts[show]));
    if (companies.size === this.#companies) return;
    this.#companies = companies.size;
    const names = new Set(companies);
    if (this.#chosen) names.add(this.#chosen);
    byId("company-choice").hidden = names.size === 0;
    const options = [...names].sort().map((name) =>
      element("option", { value: name }, visible(name))
    );
    this.#company.replaceChildren(
      element("option", { value: "" }, text("allCompanies")),
      ...options,
    );
    this.#company.value = this.#chosen;
  }

  #apply(): void {
    for (const [show, { button }] of this.#buttons) {
      button.setAttribute("aria-pressed", String(show === this.#show));
    }
    this.#fleet.filter = {
      search: this.#search.value,
      show: this.#show,
      company: this.#chosen,
    };
    this.#onChange();
  }
}
