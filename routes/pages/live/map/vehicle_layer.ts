/// <reference lib="dom" />
import { CanvasLayer, type Projection } from "./canvas_layer.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { palette, rootScale } from "../../shared/palette.ts";
import { onTheme } from "../../shared/preferences.ts";
import { Sprites, type SpriteStyle } from "./sprites.ts";
import { joined } from "./trail_layer.ts";
import type { Vehicle } from "../fleet/vehicle.ts";

/** With more vehicles in the fleet, markers do not glide. */
const MAX_GLIDING = 1_000;
/** With more vehicles in view, they are dots. */
const MAX_ARROWS = 1_500;
const MAX_LABELS = 60;
/** The trail of the selected vehicle fades in this many steps, from newest to oldest. */
const TAIL_STEPS = 12;
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** The markers of the vehicles. */
export class VehicleLayer extends CanvasLayer {
  readonly #fleet: Fleet;
  #sprites: Sprites | undefined;
  #drawnVersion = -1;
  #animated = false;
  readonly #inView: Vehicle[] = [];
  /** Their positions on the canvas: x and y alternate. */
  readonly #points: number[] = [];
  selected: Vehicle | undefined;
  hovered: Vehicle | undefined;

  constructor(fleet: Fleet) {
    super("markerPane");
    this.#fleet = fleet;
    onTheme(() => this.redraw());
  }

  override placed(): void {
    this.#sprites ??= new Sprites(this.projection!.pixelRatio);
    this.#draw(this.projection!);
  }

  /** Draws again after colors or sizes have changed. */
  redraw(): void {
    this.#sprites = undefined;
    if (this.projection) this.placed();
  }

  /** Makes the next frame draw, even if no message arrived. */
  invalidate(): void {
    this.#drawnVersion = -1;
  }

  /** Draws if anything has changed or still moves; returns whether it did. */
  advance(): boolean {
    if (!this.projection) return false;
    if (this.#drawnVersion === this.#fleet.version && !this.#animated) return false;
    this.#draw(this.projection);
    return true;
  }

  /** The vehicle nearest to a point of the view, within reach. */
  at(containerX: number, containerY: number, reachPx: number): Vehicle | undefined {
    const { scale, pixelRatio } = this.projection!;
    const corner = this._map.containerPointToLayerPoint([0, 0]);
    const origin = this._map.getPixelOrigin();
    const x = ((containerX + corner.x + origin.x) * pixelRatio) / scale;
    const y = ((containerY + corner.y + origin.y) * pixelRatio) / scale;
    let nearest: Vehicle | undefined;
    let best = (reachPx * pixelRatio / scale) ** 2;
    for (const vehicle of this.#fleet.vehicles.values()) {
      if (!vehicle.shown) continue;
      const distance = (vehicle.x - x) ** 2 + (vehicle.y - y) ** 2;
      if (distance < best) [best, nearest] = [distance, vehicle];
    }
    return nearest;
  }

  #draw(projection: Projection): void {
    const { width, height } = projection;
    const now = Date.now();
    const glides = !still.matches && this.#fleet.vehicles.size <= MAX_GLIDING;
    this.#drawnVersion = this.#fleet.version;
    this.#animated = false;
    this.context.clearRect(0, 0, width, height);
    if (this.selected) this.#drawTail(projection, this.selected);
    this.#collect(projection, glides ? now : Infinity);
    const style: SpriteStyle = this.#inView.length > MAX_ARROWS ? "dot" : "arrow";
    if (this.#inView.length <= MAX_LABELS) this.#drawLabels(projection);
    this.#inView.forEach((vehicle, i) => {
      const [x, y] = [this.#points[2 * i]!, this.#points[2 * i + 1]!];
      if (vehicle.hasAlarm) {
        this.#drawPulse(projection, { x, y, now, moves: vehicle.hasNewAlarm(now) });
      }
      this.#sprites!.draw(this.context, vehicle.motion, vehicle.heading, style, x, y);
    });
    for (const vehicle of [this.hovered, this.selected]) {
      if (vehicle?.positioned) this.#drawMarked(projection, vehicle, glides ? now : Infinity);
    }
  }

  /** Collects the vehicles in view, and their positions. */
  #collect(projection: Projection, now: number): void {
    this.#inView.length = this.#points.length = 0;
    for (const vehicle of this.#fleet.vehicles.values()) {
      if (!vehicle.shown || vehicle === this.selected || !vehicle.positioned) continue;
      const [x, y] = this.#place(projection, vehicle, now);
      if (x < -20 || y < -20 || x > projection.width + 20 || y > projection.height + 20) continue;
      this.#inView.push(vehicle);
      this.#points.push(x, y);
    }
  }

  #place(
    { scale, offsetX, offsetY }: Projection,
    vehicle: Vehicle,
    now: number,
  ): [x: number, y: number] {
    const [x, y, gliding] = vehicle.glide(now);
    if (gliding) this.#animated = true;
    return [x * scale - offsetX, y * scale - offsetY];
  }

  #drawMarked(projection: Projection, vehicle: Vehicle, now: number): void {
    const [x, y] = this.#place(projection, vehicle, now);
    const context = this.context;
    const unit = projection.pixelRatio * rootScale();
    context.beginPath();
    context.arc(x, y, 17 * unit, 0, 7);
    context.lineWidth = 3 * unit;
    context.strokeStyle = palette().accent;
    context.stroke();
    this.#sprites!.draw(context, vehicle.motion, vehicle.heading, "arrow", x, y);
    this.#drawLabel(projection, vehicle.label, x, y + 6 * unit, true);
  }

  /** A ring around a vehicle with an alarm; it pulses while the alarm is new. */
  #drawPulse(
    { pixelRatio }: Projection,
    { x, y, now, moves }: { x: number; y: number; now: number; moves: boolean },
  ): void {
    const context = this.context;
    const grows = moves && !still.matches;
    const phase = grows ? (now % 1200) / 1200 : 0.4;
    context.beginPath();
    context.arc(x, y, (10 + 14 * phase) * pixelRatio * rootScale(), 0, 7);
    context.lineWidth = 3 * pixelRatio;
    context.globalAlpha = grows ? 1 - phase * 0.8 : 1;
    context.strokeStyle = palette().alarm;
    context.stroke();
    context.globalAlpha = 1;
    this.#animated ||= grows;
  }

  /** Draws names that overlap neither each other nor a marker. */
  #drawLabels(projection: Projection): void {
    const unit = projection.pixelRatio * rootScale();
    const drawn: [number, number][] = [];
    const points = this.#points;
    this.#inView.forEach((vehicle, i) => {
      const [x, y] = [points[2 * i]!, points[2 * i + 1]!];
      const crowded = drawn.some(([otherX, otherY]) =>
        Math.abs(otherX - x) < 80 * unit && Math.abs(otherY - y) < 15 * unit
      );
      const covered = this.#inView.some((_, j) =>
        j !== i && Math.abs(points[2 * j]! - x) < 45 * unit &&
        Math.abs(points[2 * j + 1]! - y - 19 * unit) < 14 * unit
      );
      if (crowded || covered) return;
      drawn.push([x, y]);
      this.#drawLabel(projection, vehicle.label, x, y, false);
    });
  }

  #drawLabel(
    { pixelRatio }: Projection,
    text: string,
    x: number,
    y: number,
    strong: boolean,
  ): void {
    const context = this.context;
    const unit = pixelRatio * rootScale();
    context.font = `${strong ? 600 : 500} ${(strong ? 13 : 11.5) * unit}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "top";
    context.lineJoin = "round";
    context.lineWidth = 3 * unit;
    context.strokeStyle = palette().halo;
    context.fillStyle = palette().text;
    context.strokeText(text, x, y + 13 * unit);
    context.fillText(text, x, y + 13 * unit);
  }

  #drawTail(projection: Projection, { track }: Vehicle): void {
    const { scale, offsetX, offsetY, pixelRatio } = projection;
    const context = this.context;
    context.strokeStyle = palette().accent;
    context.lineWidth = 4 * pixelRatio;
    context.lineJoin = "round";
    // Round ends of translucent segments would overlap where they meet.
    context.lineCap = "butt";
    const step = Math.max(1, Math.ceil(track.length / TAIL_STEPS));
    for (let from = 0; from < track.length - 1; from += step) {
      context.globalAlpha = 0.25 + 0.65 * (from + step) / (track.length + step);
      context.beginPath();
      for (let i = from; i <= Math.min(from + step, track.length - 1); i++) {
        const x = track.x(i) * scale - offsetX;
        const y = track.y(i) * scale - offsetY;
        if (i === from || !joined(track, i)) context.moveTo(x, y);
        else context.lineTo(x, y);
      }
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}
