/** What the live page is made of: its own modules without their types, its styles, two libraries. */

import { createHash } from "node:crypto";
import { stripTypeScriptTypes } from "node:module";
import leafletStyle from "leaflet/dist/leaflet.css" with { type: "text" };
import leaflet from "leaflet/dist/leaflet.js" with { type: "text" };
import uplot from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import alarmFeed from "./page/alarm_feed.ts" with { type: "text" };
import app from "./page/app.ts" with { type: "text" };
import canvasLayer from "./page/canvas_layer.ts" with { type: "text" };
import commandForm from "./page/command_form.ts" with { type: "text" };
import controls from "./page/controls.css" with { type: "text" };
import deviceList from "./page/device_list.ts" with { type: "text" };
import devicePanel from "./page/device_panel.ts" with { type: "text" };
import dom from "./page/dom.ts" with { type: "text" };
import filters from "./page/filters.ts" with { type: "text" };
import fleet from "./page/fleet.ts" with { type: "text" };
import history from "./page/history.ts" with { type: "text" };
import icon from "./page/icon.svg" with { type: "text" };
import indexHtml from "./page/index.html" with { type: "text" };
import layout from "./page/layout.css" with { type: "text" };
import leafletModule from "./page/leaflet_module.ts" with { type: "text" };
import lists from "./page/lists.css" with { type: "text" };
import liveStream from "./page/live_stream.ts" with { type: "text" };
import mapView from "./page/map_view.ts" with { type: "text" };
import palette from "./page/palette.ts" with { type: "text" };
import panel from "./page/panel.css" with { type: "text" };
import plots from "./page/plots.ts" with { type: "text" };
import preferences from "./page/preferences.ts" with { type: "text" };
import reading from "./page/reading.ts" with { type: "text" };
import sprites from "./page/sprites.ts" with { type: "text" };
import statusBar from "./page/status_bar.ts" with { type: "text" };
import tabs from "./page/tabs.ts" with { type: "text" };
import texts from "./page/texts.ts" with { type: "text" };
import theme from "./page/theme.css" with { type: "text" };
import tokenDialog from "./page/token_dialog.ts" with { type: "text" };
import track from "./page/track.ts" with { type: "text" };
import trailLayer from "./page/trail_layer.ts" with { type: "text" };
import vehicle from "./page/vehicle.ts" with { type: "text" };
import vehicleLayer from "./page/vehicle_layer.ts" with { type: "text" };
import { Asset } from "./asset.ts";

const MODULES: Record<string, string> = {
  alarm_feed: alarmFeed,
  app,
  canvas_layer: canvasLayer,
  command_form: commandForm,
  device_list: deviceList,
  device_panel: devicePanel,
  dom,
  filters,
  fleet,
  history,
  leaflet_module: leafletModule,
  live_stream: liveStream,
  map_view: mapView,
  palette,
  plots,
  preferences,
  reading,
  sprites,
  status_bar: statusBar,
  tabs,
  texts,
  token_dialog: tokenDialog,
  track,
  trail_layer: trailLayer,
  vehicle,
  vehicle_layer: vehicleLayer,
};

const OTHERS: Record<string, string> = {
  "controls.css": controls,
  "icon.svg": icon,
  "layout.css": layout,
  "leaflet.css": leafletStyle,
  "leaflet.js": leaflet.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"),
  "lists.css": lists,
  "panel.css": panel,
  "theme.css": theme,
  "uplot.css": uplotStyle,
  // Made a module, so that it can be imported when the first plot is drawn.
  "uplot.js": `${uplot}\nexport default uPlot;\n`,
};

export interface PageFiles {
  /** Names the version of all files together: relative imports then need no names of their own. */
  readonly version: string;
  readonly files: ReadonlyMap<string, Asset>;
  /** The page, with the places of its files filled in. */
  readonly html: string;
}

let made: PageFiles | undefined;

/** Made at the first call, in some 60 ms. */
export function pageFiles(): PageFiles {
  return made ??= makePageFiles();
}

function makePageFiles(): PageFiles {
  const texts = new Map(Object.entries(OTHERS));
  for (const [name, source] of Object.entries(MODULES)) {
    texts.set(`${name}.js`, browserModule(source));
  }
  const hash = createHash("sha256");
  for (const [name, text] of texts) hash.update(name).update("\0").update(text).update("\0");
  const version = hash.digest("base64url").slice(0, 12);
  const preloads = Object.keys(MODULES).filter((name) => name !== "app")
    .map((name) => `<link rel="modulepreload" href="assets/${version}/${name}.js">`);
  return {
    version,
    files: new Map([...texts].map(([name, text]) => [name, new Asset(name, text)])),
    html: indexHtml.replaceAll("assets/VERSION", `assets/${version}`)
      .replace("<!-- PRELOADS -->", preloads.join("\n    ")),
  };
}

const CLIENT_SOURCE = '"../../../client/telecast.ts"';

function browserModule(source: string): string {
  return stripTypeScriptTypes(source)
    .replace(CLIENT_SOURCE, '"../../client.js"')
    .replace(/(\bfrom |\bimport\()"(\.\/[^"]+)\.ts"/g, '$1"$2.js"')
    .replace(/[ \t]+$/gm, "");
}
