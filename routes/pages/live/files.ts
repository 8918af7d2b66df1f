/** The files of the live page, besides those that both pages share. */

import leafletStyle from "leaflet/dist/leaflet.css" with { type: "text" };
import leaflet from "leaflet/dist/leaflet.js" with { type: "text" };
import alarmFeed from "./alarm_feed.ts" with { type: "text" };
import alarmSound from "./alarm_sound.ts" with { type: "text" };
import alarms from "./alarms.ts" with { type: "text" };
import app from "./app.ts" with { type: "text" };
import canvasLayer from "./map/canvas_layer.ts" with { type: "text" };
import commandForm from "./command_form.ts" with { type: "text" };
import deviceList from "./device_list.ts" with { type: "text" };
import devicePanel from "./device_panel.ts" with { type: "text" };
import filters from "./filters.ts" with { type: "text" };
import finder from "./finder.css" with { type: "text" };
import fleet from "./fleet/fleet.ts" with { type: "text" };
import history from "./history.ts" with { type: "text" };
import historyList from "./history_list.ts" with { type: "text" };
import html from "./index.html" with { type: "text" };
import layout from "./layout.css" with { type: "text" };
import leafletModule from "./map/leaflet_module.ts" with { type: "text" };
import lists from "./lists.css" with { type: "text" };
import liveStream from "./live_stream.ts" with { type: "text" };
import mapView from "./map/map_view.ts" with { type: "text" };
import panel from "./panel.css" with { type: "text" };
import plots from "./plots.ts" with { type: "text" };
import reading from "./fleet/reading.ts" with { type: "text" };
import sprites from "./map/sprites.ts" with { type: "text" };
import statusBar from "./status_bar.ts" with { type: "text" };
import tabs from "./tabs.ts" with { type: "text" };
import texts from "./texts.ts" with { type: "text" };
import track from "./fleet/track.ts" with { type: "text" };
import trailLayer from "./map/trail_layer.ts" with { type: "text" };
import vehicle from "./fleet/vehicle.ts" with { type: "text" };
import vehicleLayer from "./map/vehicle_layer.ts" with { type: "text" };
import viewState from "./view_state.ts" with { type: "text" };

export const LIVE_HTML: string = html;

/** By file name within the folder; a module is served as `.js`. */
export const LIVE_FILES: Readonly<Record<string, string>> = {
  "alarm_feed.ts": alarmFeed,
  "alarm_sound.ts": alarmSound,
  "alarms.ts": alarms,
  "app.ts": app,
  "map/canvas_layer.ts": canvasLayer,
  "command_form.ts": commandForm,
  "device_list.ts": deviceList,
  "device_panel.ts": devicePanel,
  "filters.ts": filters,
  "finder.css": finder,
  "fleet/fleet.ts": fleet,
  "history.ts": history,
  "layout.css": layout,
  "map/leaflet_module.ts": leafletModule,
  "history_list.ts": historyList,
  "lists.css": lists,
  "live_stream.ts": liveStream,
  "map/map_view.ts": mapView,
  "panel.css": panel,
  "plots.ts": plots,
  "fleet/reading.ts": reading,
  "map/sprites.ts": sprites,
  "status_bar.ts": statusBar,
  "tabs.ts": tabs,
  "texts.ts": texts,
  "fleet/track.ts": track,
  "map/trail_layer.ts": trailLayer,
  "fleet/vehicle.ts": vehicle,
  "map/vehicle_layer.ts": vehicleLayer,
  "view_state.ts": viewState,
  "leaflet.css": leafletStyle,
  "leaflet.js": leaflet.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"),
};
