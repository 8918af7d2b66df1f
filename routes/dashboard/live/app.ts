/// <reference lib="dom" />
import { Api } from "../shared/api.ts";
import { setLanguage } from "../shared/language.ts";
import { AlarmFeed } from "./alarm_feed.ts";
import { DeviceList } from "./device_list.ts";
import { DevicePanel } from "./device_panel.ts";
import { byId, metaContent, setText } from "../shared/dom.ts";
import { Filters } from "./filters.ts";
import { Fleet, type Order } from "./fleet.ts";
import { loadHistory } from "./history.ts";
import { LiveStream } from "./live_stream.ts";
import { MapView } from "./map_view.ts";
import { startPageTools } from "../shared/page_tools.ts";
import { storedLanguage } from "../shared/preferences.ts";
import { StatusBar } from "./status_bar.ts";
import { Tabs } from "./tabs.ts";
import { text } from "./texts.ts";
import { TokenDialog } from "../shared/token_dialog.ts";
import type { Vehicle } from "./vehicle.ts";

/** How often text is written; the map draws as often as it can. */
const REFRESH_MS = 250;

const MAX_HISTORIES = 40;
/** By then the snapshot has arrived. */
const HISTORIES_AFTER_MS = 500;

setLanguage(storedLanguage());

const api = new Api();
const fleet = new Fleet(metaContent("device-id-path").split(".").filter(Boolean));
const map = new MapView(byId("map"), fleet, (vehicle) => select(vehicle));
const list = new DeviceList(fleet, (vehicle) => select(vehicle, { center: true }));
const filters = new Filters(fleet, () => {
  list.refresh();
  map.redrawTrails();
});
const alarms = new AlarmFeed((vehicle) => select(vehicle, { center: true }));
const tabs = new Tabs(["vehicles", "alarms"], (name) => alarms.visible = name === "alarms");
const status = new StatusBar(fleet);
const dialog = new TokenDialog((token) => void stream.useToken(token));
const stream = new LiveStream(api, fleet, {
  onState(state) {
    status.state = state;
    document.body.dataset.connection = state.state;
    if (state.state === "open") setTimeout(showHistories, HISTORIES_AFTER_MS);
  },
  onMessage(vehicle, { alarm }) {
    if (vehicle?.positioned) map.moved(vehicle);
    if (alarm) alarms.add(alarm, vehicle);
  },
  askForToken: (options) => dialog.ask(options),
});
const panel = new DevicePanel({
  request: api.request,
  onClose: () => {
    select(undefined);
    byId("list").focus();
  },
  onFollow: (follow) => map.follow = follow,
});
map.onFollow = () => panel.following = map.follow;

function select(vehicle: Vehicle | undefined, { center = false } = {}): void {
  map.selected = vehicle;
  list.selected = vehicle;
  panel.show(vehicle);
  if (vehicle && center) map.show(vehicle);
  if (vehicle) void showHistory(vehicle);
}

async function showHistory(vehicle: Vehicle): Promise<void> {
  if (vehicle.historyLoaded) return;
  await loadHistory(vehicle, api.request);
  map.redrawTrails();
}

/** A small fleet shows its ways at once; that of a large one comes with what is selected. */
async function showHistories(): Promise<void> {
  if (fleet.vehicles.size > MAX_HISTORIES) return;
  for (const vehicle of fleet.vehicles.values()) await showHistory(vehicle);
}

function refresh(): void {
  status.refresh(stream);
  filters.refresh();
  list.refresh();
  panel.refresh();
  showNote();
}

/** Says on the map why nothing moves there. */
function showNote(): void {
  const note = byId("map-note");
  const { connection } = document.body.dataset;
  const lost = connection === "waiting" || connection === "closed";
  note.hidden = !lost && (fleet.anyPosition || connection !== "open");
  if (!note.hidden) setText(note, lost ? status.words : text("waitingForData"));
}

let refreshAt = 0;
function frame(now: number): void {
  map.frame(now);
  if (now >= refreshAt) {
    refreshAt = now + REFRESH_MS;
    refresh();
  }
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);

byId<HTMLSelectElement>("sort").addEventListener("change", (event) => {
  list.order = (event.target as HTMLSelectElement).value as Order;
});

startPageTools();

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if ((event.target as Element).closest("input, textarea, select, dialog[open]")) return;
  if (event.key === "/") {
    tabs.show("vehicles");
    filters.focusSearch();
  } else if (event.key === "Escape" && panel.vehicle) select(undefined);
  else if (event.key === "f") map.fitAll();
  else return;
  event.preventDefault();
});
