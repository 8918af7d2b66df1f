/// <reference lib="dom" />
import type { Order, Show } from "./fleet/fleet.ts";

/** What is looked at; it stands in the address, so that it can be kept and passed on. */
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

/** What a query asks to look at; what it does not say, or says wrongly, is as it is by default. */
export function parseViewState(query: string): ViewState {
  const params = new URLSearchParams(query);
  const state: Record<string, string> = { ...DEFAULTS };
  for (const key of keys) {
    const value = params.get(NAMES[key]);
    if (value !== null && (CHOICES[key]?.includes(value) ?? true)) state[key] = value;
  }
  return state as unknown as ViewState;
}

/** `query`, with what is looked at in the place of what was; other parameters stay. */
export function withViewState(query: string, state: ViewState): string {
  const params = new URLSearchParams(query);
  for (const key of keys) params.delete(NAMES[key]);
  for (const key of keys) if (state[key] !== DEFAULTS[key]) params.set(NAMES[key], state[key]);
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

/** Puts it into the address. */
export function storeViewState(state: ViewState): void {
  const query = withViewState(location.search, state);
  if (query !== location.search) {
    history.replaceState(null, "", location.pathname + query + location.hash);
  }
}
