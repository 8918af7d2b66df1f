/// <reference lib="dom" />
import { CanvasLayer, type Projection } from "./canvas_layer.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { palette, rootScale } from "../../shared/palette.ts";
import { geographic, mercator, type Vehicle } from "../fleet/vehicle.ts";

/** Maximum number of points in a full drawing: about 60 ms without a graphics card. */
const MAX_POINTS = 20_000;
/** No line is drawn over a longer gap: the route is unknown. */
const MAX_GAP_MS = 5 * 60_000;
/** Nor over a jump that would need a higher speed. */
const MAX_KMH = 300;
const EQUATOR_KM = 40_075;
const REDRAW_EVERY_MS = 30_000;
const STEPS_DEGREES = [45, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002];

/** The trails of vehicles, over a graticule if there are no tiles. */
export class TrailLayer extends CanvasLayer {
  readonly #fleet: Fleet;
  readonly #graticule: boolean;
  /** Vehicles that have moved since their line was last drawn. */
  readonly #moved = new Set<Vehicle>();
  #drawnAt = 0;

  constructor(fleet: Fleet, { graticule }: { graticule: boolean }) {
    super("overlayPane");
    this.#fleet = fleet;
    this.#graticule = graticule;
  }

  override placed(): void {
    const projection = this.projection!;
    this.#drawnAt = performance.now();
    this.#moved.clear();
    this.context.clearRect(0, 0, projection.width, projection.height);
    if (this.#graticule) this.#drawGraticule(projection);
    const shown = [...this.#fleet.vehicles.values()].filter((vehicle) => vehicle.shown);
    const points = Math.max(6, Math.floor(MAX_POINTS / Math.max(1, shown.length)));
    this.#stroke(projection, () => {
      for (const vehicle of shown) {
        this.#addLine(projection, vehicle, Math.max(0, vehicle.track.length - points));
      }
    });
  }

  moved(vehicle: Vehicle): void {
    this.#moved.add(vehicle);
  }

  /** Adds the newest segment of each line to the drawing. */
  advance(): void {
    const projection = this.projection;
    if (!projection || this.#moved.size === 0) return;
    if (performance.now() - this.#drawnAt > REDRAW_EVERY_MS) return this.placed();
    this.#stroke(projection, () => {
      for (const vehicle of this.#moved) {
        if (vehicle.shown) this.#addLine(projection, vehicle, vehicle.track.length - 2);
      }
    });
    this.#moved.clear();
  }

  #stroke({ pixelRatio }: Projection, addLines: () => void): void {
    const context = this.context;
    context.strokeStyle = palette().trail;
    context.lineWidth = 2.5 * pixelRatio;
    context.lineJoin = context.lineCap = "round";
    context.beginPath();
    addLines();
    context.stroke();
  }

  #addLine({ scale, offsetX, offsetY }: Projection, { track }: Vehicle, from: number): void {
    for (let i = Math.max(0, from); i < track.length; i++) {
      const x = track.x(i) * scale - offsetX;
      const y = track.y(i) * scale - offsetY;
      if (i === from || i === 0 || !joined(track, i)) this.context.moveTo(x, y);
      else this.context.lineTo(x, y);
    }
  }

  #drawGraticule({ scale, offsetX, offsetY, width, height, pixelRatio }: Projection): void {
    const context = this.context;
    const northWest = geographic(offsetX / scale, offsetY / scale);
    const southEast = geographic((offsetX + width) / scale, (offsetY + height) / scale);
    const wanted = (southEast.longitude - northWest.longitude) / (width / pixelRatio / 160);
    const step = STEPS_DEGREES.findLast((degrees) => degrees >= wanted) ?? 45;
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    context.strokeStyle = palette().grid;
    context.fillStyle = palette().muted;
    context.lineWidth = pixelRatio;
    context.font = `${11 * pixelRatio * rootScale()}px system-ui, sans-serif`;
    context.beginPath();
    // The canvas is larger than the view; labels must be inside the view.
    const [left, top] = [width * 0.1 + 8 * pixelRatio, height * 0.1 + 14 * pixelRatio];
    for (let lon = ceil(northWest.longitude, step); lon < southEast.longitude; lon += step) {
      const x = Math.round(mercator(0, lon)[0] * scale - offsetX) + 0.5;
      context.moveTo(x, 0);
      context.lineTo(x, height);
      if (x > left) context.fillText(degrees(lon, digits, "EW"), x + 4 * pixelRatio, top);
    }
    for (let lat = ceil(southEast.latitude, step); lat < northWest.latitude; lat += step) {
      const y = Math.round(mercator(lat, 0)[1] * scale - offsetY) + 0.5;
      context.moveTo(0, y);
      context.lineTo(width, y);
      // The longitudes are above, the scale is below.
      if (y > top * 1.3 && y < height * 0.85) {
        context.fillText(degrees(lat, digits, "NS"), left, y - 4 * pixelRatio);
      }
    }
    context.stroke();
  }
}

/** Whether a line connects the previous point with this one. */
export function joined(track: Vehicle["track"], index: number): boolean {
  const ms = track.time(index) - track.time(index - 1);
  const moved = Math.hypot(
    track.x(index) - track.x(index - 1),
    track.y(index) - track.y(index - 1),
  );
  // Two messages that arrived at once only show that the points are near each other.
  const hours = Math.max(ms, 2_000) / 3_600_000;
  return ms < MAX_GAP_MS && moved * EQUATOR_KM < MAX_KMH * hours;
}

function ceil(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

function degrees(value: number, digits: number, [positive, negative]: string): string {
  return `${Math.abs(value).toFixed(digits)}° ${value >= 0 ? positive : negative}`;
}
