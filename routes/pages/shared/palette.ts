/// <reference lib="dom" />
import { onTheme } from "./preferences.ts";

/** Colours of the style sheet, for what is painted and not styled. */
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

/** The palette of the theme that is shown now. */
export function palette(): Palette {
  if (!current) {
    const style = getComputedStyle(document.documentElement);
    current = Object.fromEntries(
      NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
    ) as unknown as Palette;
  }
  return current;
}

/** How much larger than 16 px the text is: what is painted grows with it, as on a wall screen. */
export function rootScale(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
}
