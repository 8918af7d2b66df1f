/// <reference lib="dom" />
import { L, type leaflet } from "./leaflet_module.ts";

/** How much larger than the view the canvas is, on each side, so that a drag shows no edge. */
const PADDING = 0.12;

/** Where the unit square of the Mercator projection lies on the canvas, in device pixels. */
export interface Projection {
  readonly scale: number;
  readonly offsetX: number;
  readonly offsetY: number;
  readonly pixelRatio: number;
  readonly width: number;
  readonly height: number;
}

/**
 * A canvas that moves and zooms with the map, as a Leaflet layer. It is placed again when the map
 * comes to rest; until then Leaflet moves it, so that a drag needs no drawing.
 */
export abstract class CanvasLayer extends L.Layer {
  readonly canvas: HTMLCanvasElement = document.createElement("canvas");
  readonly context: CanvasRenderingContext2D = this.canvas.getContext("2d")!;
  #projection: Projection | undefined;
  #center: leaflet.LatLng | undefined;
  #zoom = 0;
  readonly #pane: string;

  constructor(pane: string) {
    super();
    this.#pane = pane;
    this.canvas.className = "leaflet-zoom-animated";
    this.canvas.setAttribute("aria-hidden", "true");
  }

  /** Undefined until the layer is on a map that has a view. */
  get projection(): Projection | undefined {
    return this.#projection;
  }

  /** The map has come to rest elsewhere: everything must be drawn again. */
  abstract placed(): void;

  override onAdd(map: leaflet.Map): this {
    map.getPane(this.#pane)!.append(this.canvas);
    this.place();
    return this;
  }

  override onRemove(): this {
    this.canvas.remove();
    return this;
  }

  override getEvents(): Record<string, leaflet.LeafletEventHandlerFn> {
    return {
      moveend: () => this.place(),
      viewreset: () => this.place(),
      resize: () => this.place(),
      zoom: () => this.#transform(this._map.getCenter(), this._map.getZoom()),
      zoomanim: (event) => {
        const { center, zoom } = event as leaflet.ZoomAnimEvent;
        this.#transform(center, zoom);
      },
    };
  }

  place(): void {
    const map = this._map;
    if (!map) return;
    const size = map.getSize();
    const padding = size.multiplyBy(PADDING).round();
    const topLeft = map.containerPointToLayerPoint(padding.multiplyBy(-1)).round();
    const pixelRatio = Math.min(globalThis.devicePixelRatio || 1, 2);
    const width = size.x + 2 * padding.x;
    const height = size.y + 2 * padding.y;
    L.DomUtil.setTransform(this.canvas, topLeft, 1);
    this.canvas.width = Math.round(width * pixelRatio);
    this.canvas.height = Math.round(height * pixelRatio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.#center = map.getCenter();
    this.#zoom = map.getZoom();
    const origin = map.getPixelOrigin().add(topLeft);
    this.#projection = {
      scale: 256 * 2 ** this.#zoom * pixelRatio,
      offsetX: origin.x * pixelRatio,
      offsetY: origin.y * pixelRatio,
      pixelRatio,
      width: this.canvas.width,
      height: this.canvas.height,
    };
    this.placed();
  }

  /** Moves and scales the drawing to its place at another center and zoom. */
  #transform(center: leaflet.LatLng, zoom: number): void {
    if (!this.#center) return;
    const map = this._map;
    const size = map.getSize();
    const scale = map.getZoomScale(zoom, this.#zoom);
    const half = size.multiplyBy(0.5).add(size.multiplyBy(PADDING).round());
    const moved = map.project(this.#center, zoom).subtract(map.project(center, zoom));
    const middle = map.containerPointToLayerPoint(size.multiplyBy(0.5)).add(moved);
    L.DomUtil.setTransform(this.canvas, middle.subtract(half.multiplyBy(scale)), scale);
  }
}
