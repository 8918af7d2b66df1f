/// <reference lib="dom" />
import type { Order, Show } from "./fleet/fleet.ts";

/** The current view; it is part of the address, so that it can be saved and shared. */
export interface ViewState {
  readonly search: string;
  readonly show: Show;
  readonly company: string;
  readonly order: Order;
  /** Id of the vehicle whose panel is open. */
  readonly device: string;
}

const DEFAULTS: ViewState = { search: "", show: "all", company: "", order: "id", device: "" };
const NAMES: Record<keyof ViewState, string> = {
  search: "q",
  show: "show",
  company: "company",
  order: "sort",
  device: "device",
};
const CHOICES: Partial<Record<keyof ViewState, readonly string[]>> = {
  show: ["all", "online", "stale"],
  order: ["id", "recent", "speed", "silent"],
};

const keys = Object.keys(NAMES) as (keyof ViewState)[];

/** The view in a query; missing or invalid values get their defaults. */
export function parseViewState(query: string): ViewState {
  const params = new URLSearchParams(query);
  const state: Record<string, string> = { ...DEFAULTS };
  for (const key of keys) {
    const value = params.get(NAMES[key]);
    if (value !== null && (CHOICES[key]?.includes(value) ?? true)) state[key] = value;
  }
  return state as unknown as ViewState;
}

/** `query` with its view replaced; other parameters stay. */
export function withViewState(query: string, state: ViewState): string {
  const params = new URLSearchParams(query);
  for (const key of keys) params.delete(NAMES[key]);
  for (const key of keys) if (state[key] !== DEFAULTS[key]) params.set(NAMES[key], state[key]);
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

/** Writes the view into the address. */
export function storeViewState(state: ViewState): void {
  const query = withViewState(location.search, state);
  if (query !== location.search) {
    history.replaceState(null, "", location.pathname + query + location.hash);
  }
}
