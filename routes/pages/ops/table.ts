/// <reference lib="dom" />
import { element, setText } from "../shared/dom.ts";
import { onLanguage } from "../shared/language.ts";
import { type OpsKey, text } from "./texts.ts";

/** How a cell is marked: by shape, color and text. */
export type Tone = "good" | "warn" | "bad" | "idle";

export interface Column<Row> {
  readonly label: OpsKey;
  /** Numbers are right-aligned; on a phone a cell without a kind has its own line. */
  readonly kind?: "name" | "number" | "text";
  cell(row: Row): string;
  tone?(row: Row): Tone | undefined;
  /** A button instead of text, created once per row. */
  button?(row: Row): HTMLElement;
}

interface Shown<Row> {
  readonly node: HTMLTableRowElement;
  readonly cells: HTMLElement[];
  row: Row;
}

/** A table whose rows keep their place in the document while their content changes. */
export class Table<Row> {
  readonly node: HTMLElement;
  readonly #body = element("tbody");
  readonly #empty = element("p", { class: "empty" });
  readonly #table: HTMLElement;
  readonly #columns: readonly Column<Row>[];
  readonly #key: (row: Row) => string;
  readonly #rows = new Map<string, Shown<Row>>();

  /** @param options `labelledby` is the id of the heading that names the table. */
  constructor(
    columns: readonly Column<Row>[],
    { key, labelledby }: { key: (row: Row) => string; labelledby: string },
  ) {
    this.#columns = columns;
    this.#key = key;
    const heads = columns.map(({ label, kind }) => {
      const node = element("th", { scope: "col", "data-kind": kind });
      onLanguage(() => node.textContent = text(label));
      return node;
    });
    this.#table = element(
      "table",
      { "aria-labelledby": labelledby },
      element("thead", {}, element("tr", {}, ...heads)),
      this.#body,
    );
    this.node = element("div", { class: "table" }, this.#table, this.#empty);
  }

  /** `empty` is shown if there are no rows. */
  show(rows: readonly Row[], empty: string): void {
    this.#table.hidden = rows.length === 0;
    this.#empty.hidden = rows.length > 0;
    setText(this.#empty, empty);
    const gone = new Set(this.#rows.keys());
    rows.forEach((row, index) => {
      const key = this.#key(row);
      gone.delete(key);
      const shown = this.#rows.get(key) ?? this.#add(key, row);
      shown.row = row;
      const there = this.#body.children[index];
      if (there !== shown.node) this.#body.insertBefore(shown.node, there ?? null);
      this.#fill(shown);
    });
    for (const key of gone) {
      this.#rows.get(key)!.node.remove();
      this.#rows.delete(key);
    }
  }

  #add(key: string, row: Row): Shown<Row> {
    const cells = this.#columns.map(({ kind, button }, index) => {
      const cell = index === 0
        ? element("th", { scope: "row", "data-kind": kind })
        : element("td", { "data-kind": kind });
      if (button) cell.append(button(row));
      return cell;
    });
    const shown = { node: element("tr", {}, ...cells), cells, row };
    this.#rows.set(key, shown);
    return shown;
  }

  #fill({ cells, row }: Shown<Row>): void {
    this.#columns.forEach(({ label, cell, tone, button }, index) => {
      const node = cells[index]!;
      // On a phone each cell is below the name of its column.
      node.dataset.label = text(label);
      if (button) return;
      setText(node, cell(row));
      const marked = tone?.(row);
      if (marked) node.dataset.tone = marked;
      else delete node.dataset.tone;
    });
  }
}
