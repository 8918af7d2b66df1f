/// <reference lib="dom" />
import type { Language } from "./language.ts";

export type Theme = "auto" | "light" | "dark";
const THEMES: readonly Theme[] = ["auto", "light", "dark"];

const listeners = new Set<() => void>();
const darkScheme = matchMedia("(prefers-color-scheme: dark)");
darkScheme.addEventListener("change", () => {
  for (const listener of listeners) listener();
});

export function currentTheme(): Theme {
  const stored = read(localStorage, "theme");
  return THEMES.find((theme) => theme === stored) ?? "auto";
}

export function nextTheme(): void {
  const next = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length]!;
  write(localStorage, "theme", next === "auto" ? undefined : next);
  applyTheme();
  for (const listener of listeners) listener();
}

/** Calls `listener` when the colors change, by the switch or by the system. */
export function onTheme(listener: () => void): void {
  listeners.add(listener);
}

export function storedLanguage(): Language {
  const stored = read(localStorage, "language");
  if (stored === "es" || stored === "en") return stored;
  return navigator.language.startsWith("es") ? "es" : "en";
}

export function storeLanguage(language: Language): void {
  write(localStorage, "language", language);
}

/** A choice that this browser remembers. */
export function storedChoice(name: string): string | undefined {
  return read(localStorage, name);
}

export function storeChoice(name: string, value: string | undefined): void {
  write(localStorage, name, value);
}

/**
 * The token from the address (`#token=…`, which is removed from it at once, so that a wall screen
 * can have a bookmark), else the one that this tab was given before.
 */
export function storedToken(): string | undefined {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get("token");
  if (given) {
    storeToken(given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return read(sessionStorage, "token");
}

export function storeToken(token: string | undefined): void {
  write(sessionStorage, "token", token);
}

// Storage throws if the browser is set to store nothing; then nothing is stored.
function read(storage: Storage, name: string): string | undefined {
  try {
    return storage.getItem(`telecast.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(storage: Storage, name: string, value: string | undefined): void {
  try {
    if (value === undefined) storage.removeItem(`telecast.${name}`);
    else storage.setItem(`telecast.${name}`, value);
  } catch {
    // See above.
  }
}

function applyTheme(): void {
  const theme = currentTheme();
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

// This module blocks the first paint, so that the page does not flash.
applyTheme();
