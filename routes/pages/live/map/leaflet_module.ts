/// <reference lib="dom" />
import type * as leaflet from "leaflet-types";

/** Leaflet, which its classic script has loaded before any module runs. */
export const L = (globalThis as unknown as { L: typeof leaflet }).L;
export type { leaflet };
