/// <reference lib="dom" />
import { byId } from "../shared/dom.ts";

/** Tabs that the arrow keys switch, as in the ARIA practices. */
export class Tabs<Name extends string> {
  readonly #names: readonly Name[];

  /** Each name is the id of a panel, and `<name>-tab` that of its tab. */
  constructor(names: readonly Name[]) {
    this.#names = names;
    for (const name of names) {
      const tab = byId(`${name}-tab`);
      tab.addEventListener("click", () => this.show(name));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step === undefined) return;
        const next = names[(names.indexOf(name) + step + names.length) % names.length]!;
        this.show(next);
        byId(`${next}-tab`).focus();
      });
    }
  }

  show(shown: Name): void {
    for (const name of this.#names) {
      const tab = byId(`${name}-tab`);
      tab.setAttribute("aria-selected", String(name === shown));
      tab.tabIndex = name === shown ? 0 : -1;
      byId(name).hidden = name !== shown;
    }
  }
}
