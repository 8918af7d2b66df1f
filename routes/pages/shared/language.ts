/// <reference lib="dom" />

export type Language = "es" | "en";
/** The text in the current language, with each `{name}` filled in. */
export type Text<Key extends string> = (
  key: Key,
  values?: Readonly<Record<string, string | number>>,
) => string;

const all: Record<Language, Record<string, string>> = { es: {}, en: {} };
let language: Language = "en";
const listeners = new Set<() => void>();

/** Adds texts to those of the page, and returns the function that looks them up. */
export function defineTexts<Key extends string>(
  texts: Record<Language, Readonly<Record<Key, string>>>,
): Text<Key> {
  for (const name of ["es", "en"] as const) Object.assign(all[name], texts[name]);
  return (key, values = {}) => fill(all[language][key]!, values);
}

function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

export function currentLanguage(): Language {
  return language;
}

/** Calls `listener` now and at each change of language. */
export function onLanguage(listener: () => void): void {
  listeners.add(listener);
  listener();
}

/** Changes the language of all marked elements, and calls the listeners. */
export function setLanguage(next: Language): void {
  language = next;
  document.documentElement.lang = next;
  const text = (key: string | undefined) => all[language][key!] ?? "";
  for (const node of document.querySelectorAll<HTMLElement>("[data-text]")) {
    node.textContent = text(node.dataset.text);
  }
  for (const node of document.querySelectorAll<HTMLElement>("[data-label]")) {
    node.setAttribute("aria-label", text(node.dataset.label));
    if (node.matches("button, a")) node.title = text(node.dataset.label);
  }
  for (const node of document.querySelectorAll<HTMLElement>("[data-hint]")) {
    node.title = text(node.dataset.hint);
  }
  for (const node of document.querySelectorAll<HTMLElement>("[data-placeholder]")) {
    node.setAttribute("placeholder", text(node.dataset.placeholder));
  }
  for (const listener of listeners) listener();
}

const numberFormats = new Map<string, Intl.NumberFormat>();

export function formatNumber(value: number, digits = 0): string {
  const key = `${language}${digits}`;
  const format = numberFormats.get(key) ??
    new Intl.NumberFormat(language, { maximumFractionDigits: digits });
  numberFormats.set(key, format);
  return format.format(value);
}

/** A time span in its largest unit: `5 s`, `3 min`, `2 h`, `4 d`. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** An amount of memory in its largest unit: `512 B`, `3.4 MB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let at = 0;
  for (; bytes >= 1000 && at < units.length - 1; at++) bytes /= 1000;
  return `${formatNumber(bytes, bytes < 10 && at > 0 ? 1 : 0)} ${units[at]}`;
}

/** The time of day, with seconds by default. */
export function formatClock(timeMs: number, { seconds = true } = {}): string {
  const parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  return new Date(timeMs).toLocaleTimeString(
    language,
    seconds ? { ...parts, second: "2-digit" } : parts,
  );
}
