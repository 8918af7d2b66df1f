/// <reference lib="dom" />
import { palette, rootScale } from "../../shared/palette.ts";
import type { Motion } from "../fleet/vehicle.ts";

const HEADINGS = 72;
const CELL_PX = 30;
const ROWS: readonly Motion[] = ["moving", "idling", "parked", "unknown", "stale"];
/** Arrows if there is room, dots if thousands are in view. */
export type SpriteStyle = "arrow" | "dot";

/**
 * Markers drawn once for each state and heading, since copying pixels is ten times as fast as
 * drawing paths. The shape shows the state too, not only the color.
 */
export class Sprites {
  readonly #sheet: HTMLCanvasElement;
  readonly #cell: number;
  readonly #scale: number;

  constructor(pixelRatio: number) {
    this.#scale = pixelRatio * rootScale();
    this.#cell = Math.ceil(CELL_PX * this.#scale);
    this.#sheet = document.createElement("canvas");
    this.#sheet.width = this.#cell * (HEADINGS + 1);
    this.#sheet.height = this.#cell * ROWS.length;
    const context = this.#sheet.getContext("2d")!;
    ROWS.forEach((motion, row) => {
      for (let column = 0; column <= HEADINGS; column++) {
        context.setTransform(
          this.#scale,
          0,
          0,
          this.#scale,
          (column + 0.5) * this.#cell,
          (row + 0.5) * this.#cell,
        );
        if (column === HEADINGS) drawDot(context, motion);
        else drawMarker(context, motion, column * 2 * Math.PI / HEADINGS);
      }
    });
  }

  /** Copies a marker so that its center is at this pixel. */
  draw(
    context: CanvasRenderingContext2D,
    motion: Motion,
    heading: number,
    style: SpriteStyle,
    x: number,
    y: number,
  ): void {
    const turned = Math.round(heading * HEADINGS / 360) % HEADINGS;
    const column = style === "dot" ? HEADINGS : (turned + HEADINGS) % HEADINGS;
    const cell = this.#cell;
    // A dot fills only the middle of its cell; copying less is faster.
    const inset = style === "dot" ? Math.floor(cell * 0.3) : 0;
    const size = cell - 2 * inset;
    const half = size >> 1;
    context.drawImage(
      this.#sheet,
      column * cell + inset,
      ROWS.indexOf(motion) * cell + inset,
      size,
      size,
      Math.round(x) - half,
      Math.round(y) - half,
      size,
      size,
    );
  }
}

function drawMarker(context: CanvasRenderingContext2D, motion: Motion, heading: number): void {
  const colors = palette();
  context.lineJoin = "round";
  context.strokeStyle = colors.halo;
  context.fillStyle = colors[motion];
  context.beginPath();
  if (motion === "moving") {
    context.rotate(heading);
    context.moveTo(0, -11);
    context.lineTo(8, 9);
    context.lineTo(0, 4.5);
    context.lineTo(-8, 9);
    context.closePath();
    outline(context, 3.5);
  } else if (motion === "parked") {
    context.roundRect(-6, -6, 12, 12, 2.5);
    outline(context, 3.5);
  } else if (motion === "stale") {
    context.arc(0, 0, 6, 0, 7);
    context.lineWidth = 6;
    context.stroke();
    context.strokeStyle = colors.stale;
    context.lineWidth = 3;
    context.stroke();
  } else {
    context.arc(0, 0, 7, 0, 7);
    outline(context, 3.5);
  }
}

function drawDot(context: CanvasRenderingContext2D, motion: Motion): void {
  const colors = palette();
  context.beginPath();
  context.arc(0, 0, motion === "moving" ? 4 : 3, 0, 7);
  context.strokeStyle = colors.halo;
  context.fillStyle = colors[motion];
  outline(context, 1.5);
}

function outline(context: CanvasRenderingContext2D, width: number): void {
  context.lineWidth = width;
  context.stroke();
  context.fill();
}
