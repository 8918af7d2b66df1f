/// <reference lib="dom" />
import { onTheme } from "./preferences.ts";

/** Colors of the style sheet, for what is drawn on a canvas. */
export interface Palette {
  readonly moving: string;
  readonly idling: string;
  readonly parked: string;
  readonly unknown: string;
  readonly stale: string;
  readonly alarm: string;
  readonly halo: string;
  readonly trail: string;
  readonly accent: string;
  readonly grid: string;
  readonly muted: string;
  readonly text: string;
  readonly surface: string;
}

const NAMES = [
  "moving",
  "idling",
  "parked",
  "unknown",
  "stale",
  "alarm",
  "halo",
  "trail",
  "accent",
  "grid",
  "muted",
  "text",
  "surface",
] as const satisfies readonly (keyof Palette)[];

let current: Palette | undefined;
onTheme(() => current = undefined);

/** The palette of the current theme. */
export function palette(): Palette {
  if (!current) {
    const style = getComputedStyle(document.documentElement);
    current = Object.fromEntries(
      NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
    ) as unknown as Palette;
  }
  return current;
}

/** The text size relative to 16 px: drawings scale with it, as on a wall screen. */
export function rootScale(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
}
