/// <reference lib="dom" />
import { onLanguage } from "../../shared/language.ts";
import { icon, metaContent } from "../../shared/dom.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { L, type leaflet } from "./leaflet_module.ts";
import { onTheme } from "../../shared/preferences.ts";
import { TrailLayer } from "./trail_layer.ts";
import { geographic, type Vehicle } from "../fleet/vehicle.ts";
import { VehicleLayer } from "./vehicle_layer.ts";

/** The view of the map before any vehicle is known. */
const FIRST_VIEW = { center: [23.5, -102] as [number, number], zoom: 5 };
/** How long after the first vehicle the view follows the fleet, unless the user moves it. */
const FIT_FOR_MS = 6_000;
const FIT_EVERY_MS = 1_500;
const REACH_PX = 20;
/** Drawing takes at most a third of the time, so that the page stays responsive. */
const IDLE_PER_DRAWN = 2;

export type MapButton = "zoomIn" | "zoomOut" | "fitAll";

/** The map with its layers and buttons. */
export class MapView {
  readonly #map: leaflet.Map;
  readonly #fleet: Fleet;
  readonly #titleOf: (button: MapButton) => string;
  readonly #trails: TrailLayer;
  readonly #vehicles: VehicleLayer;
  #follow = false;
  #touched = false;
  #fitUntil: number | undefined;
  #fittedMembership = -1;
  #fittedAt = -Infinity;
  #nextDrawAt = 0;

  constructor(
    node: HTMLElement,
    fleet: Fleet,
    titleOf: (button: MapButton) => string,
    onSelect: (vehicle: Vehicle | undefined) => void,
  ) {
    this.#fleet = fleet;
    this.#titleOf = titleOf;
    const tiles = metaContent("map-tiles");
    const map = this.#map = L.map(node, {
      ...FIRST_VIEW,
      zoomControl: false,
      zoomSnap: 0.25,
      wheelPxPerZoomLevel: 90,
      minZoom: 2,
      maxZoom: 19,
      attributionControl: tiles !== "",
    });
    if (tiles) L.tileLayer(tiles, { maxZoom: 19, attribution: attribution(tiles) }).addTo(map);
    L.control.scale({ imperial: false, position: "bottomleft" }).addTo(map);
    this.#addButtons();
    this.#trails = new TrailLayer(fleet, { graticule: tiles === "" }).addTo(map);
    this.#vehicles = new VehicleLayer(fleet).addTo(map);
    onTheme(() => this.#trails.place());

    map.on("click", ({ containerPoint: { x, y } }) => {
      onSelect(this.#vehicles.at(x, y, REACH_PX));
    });
    map.on("mousemove", ({ containerPoint: { x, y } }) => this.#hover(x, y));
    map.on("mouseout", () => this.#hover(-1e6, -1e6));
    map.on("dragstart", () => {
      this.#touched = true;
      this.follow = false;
    });
    for (const type of ["wheel", "keydown", "dblclick"] as const) {
      node.addEventListener(type, () => this.#touched = true, { passive: true });
    }
    new ResizeObserver(() => map.invalidateSize({ pan: false })).observe(node);
  }

  /** Whether the view stays with the selected vehicle. */
  get follow(): boolean {
    return this.#follow;
  }

  set follow(follow: boolean) {
    if (this.#follow === follow) return;
    this.#follow = follow;
    this.onFollow();
  }

  /** Called when following is switched on or off, also by a drag. */
  onFollow: () => void = () => {};

  set selected(vehicle: Vehicle | undefined) {
    this.#vehicles.selected = vehicle;
    this.#vehicles.invalidate();
    if (!vehicle) this.follow = false;
  }

  /** Brings a vehicle into view, and zooms in if the view is wide. */
  show(vehicle: Vehicle): void {
    if (!vehicle.positioned) return;
    this.#touched = true;
    const point = place(vehicle);
    const zoom = Math.max(this.#map.getZoom(), 14);
    if (this.#map.getZoom() === zoom && this.#map.getBounds().pad(-0.15).contains(point)) return;
    this.#map.setView(point, zoom);
  }

  fitAll(): void {
    const points = [...this.#fleet.vehicles.values()]
      .filter((vehicle) => vehicle.shown && vehicle.positioned).map(place);
    if (points.length === 0) return;
    this.#map.fitBounds(L.latLngBounds(points), {
      padding: [48, 48],
      maxZoom: 15,
      animate: this.#touched,
    });
  }

  moved(vehicle: Vehicle): void {
    this.#trails.moved(vehicle);
  }

  /** Draws all trails again, for vehicles that are hidden now or whose history was just read. */
  redrawTrails(): void {
    this.#trails.place();
  }

  /** Called once per frame: draws what has changed, as often as that leaves time for the rest. */
  frame(now: number): void {
    if (now < this.#nextDrawAt) return;
    this.#fitFirst(now);
    const { selected } = this.#vehicles;
    if (this.#follow && selected?.positioned) {
      this.#map.panTo(place(selected), { animate: false });
    }
    const startedAt = performance.now();
    this.#trails.advance();
    if (!this.#vehicles.advance()) return;
    this.#nextDrawAt = now + (performance.now() - startedAt) * (1 + IDLE_PER_DRAWN);
  }

  #fitFirst(now: number): void {
    if (this.#touched || now > (this.#fitUntil ?? Infinity)) return;
    const same = this.#fittedMembership === this.#fleet.membership;
    if (same && now - this.#fittedAt < FIT_EVERY_MS || !this.#fleet.anyPosition) return;
    this.#fitUntil ??= now + FIT_FOR_MS;
    this.#fittedMembership = this.#fleet.membership;
    this.#fittedAt = now;
    this.fitAll();
  }

  #hover(x: number, y: number): void {
    const vehicle = this.#vehicles.at(x, y, REACH_PX);
    if (vehicle === this.#vehicles.hovered) return;
    this.#vehicles.hovered = vehicle;
    this.#vehicles.invalidate();
    this.#map.getContainer().style.cursor = vehicle ? "pointer" : "";
  }

  #addButtons(): void {
    const control = new L.Control({ position: "bottomright" });
    control.onAdd = () => {
      const bar = L.DomUtil.create("div", "leaflet-bar");
      const buttons = [
        this.#button("zoomIn", "M12 5v14M5 12h14", () => this.#map.zoomIn(1)),
        this.#button("zoomOut", "M5 12h14", () => this.#map.zoomOut(1)),
        this.#button("fitAll", "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5", () => {
          this.#touched = true;
          this.fitAll();
        }),
      ];
      bar.append(...buttons);
      L.DomEvent.disableClickPropagation(bar);
      return bar;
    };
    control.addTo(this.#map);
  }

  #button(name: MapButton, path: string, act: () => void): HTMLElement {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "map-button";
    button.append(icon(path));
    button.addEventListener("click", act);
    onLanguage(() => {
      button.title = this.#titleOf(name);
      button.setAttribute("aria-label", this.#titleOf(name));
    });
    return button;
  }
}

function place(vehicle: Vehicle): [number, number] {
  const { latitude, longitude } = geographic(vehicle.x, vehicle.y);
  return [latitude, longitude];
}

/** OpenStreetMap requires attribution; other tile servers are named by their host. */
function attribution(tiles: string): string {
  const host = tiles.split("/")[2] ?? "";
  if (host.endsWith("openstreetmap.org")) {
    return '&copy; <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a>';
  }
  return host;
}
