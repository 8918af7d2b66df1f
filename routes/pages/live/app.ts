/// <reference lib="dom" />
import { Api } from "../shared/api.ts";
import { setLanguage } from "../shared/language.ts";
import { AlarmFeed } from "./alarm_feed.ts";
import { AlarmSound } from "./alarm_sound.ts";
import { Alarms } from "./alarms.ts";
import { DeviceList } from "./device_list.ts";
import { DevicePanel } from "./device_panel.ts";
import { byId, metaContent, setText } from "../shared/dom.ts";
import { Filters } from "./filters.ts";
import { Fleet, type Order } from "./fleet/fleet.ts";
import { prependHistory, readHistory } from "./history.ts";
import { LiveStream } from "./live_stream.ts";
import { MapView } from "./map/map_view.ts";
import { startPageTools } from "../shared/page_tools.ts";
import { storeChoice, storedChoice, storedLanguage } from "../shared/preferences.ts";
import { StatusBar } from "./status_bar.ts";
import { Tabs } from "./tabs.ts";
import { text } from "./texts.ts";
import { TokenDialog } from "../shared/token_dialog.ts";
import type { Vehicle } from "./fleet/vehicle.ts";
import { parseViewState, storeViewState } from "./view_state.ts";

/** How often text is updated; the map draws as often as it can. */
const REFRESH_MS = 250;

const MAX_HISTORIES = 40;
/** The snapshot has arrived by then. */
const HISTORIES_AFTER_MS = 500;

setLanguage(storedLanguage());

const api = new Api();
/** Alarms up to this time were seen in this browser; those before its first visit count as seen. */
const seenUpTo = Number(storedChoice("seen_up_to") ?? Date.now());
const fleet = new Fleet(metaContent("device-id-path").split(".").filter(Boolean));
const map = new MapView(byId("map"), fleet, text, (vehicle) => select(vehicle));
const list = new DeviceList(fleet, (vehicle) => select(vehicle, { center: true }));
const first = parseViewState(location.search);
/** Id of a vehicle to open once it is known. */
let wanted = first.device;
const sort = byId<HTMLSelectElement>("sort");
sort.value = list.order = first.order;
const filters = new Filters(fleet, first, () => {
  list.refresh();
  map.redrawTrails();
});
const alarms = new Alarms();
const feed = new AlarmFeed(alarms, (vehicle) => select(vehicle, { center: true }));
const sound = new AlarmSound(alarms);
const tabs = new Tabs(["vehicles", "alarms"]);
const status = new StatusBar(fleet);
const dialog = new TokenDialog((token) => void stream.useToken(token));
const stream = new LiveStream(api, fleet, {
  onState(state) {
    status.state = state;
    document.body.dataset.connection = state.state;
    if (state.state === "open") setTimeout(showHistories, HISTORIES_AFTER_MS);
  },
  onMessage(vehicle, { alarm }, payload) {
    if (vehicle?.positioned) map.moved(vehicle);
    if (alarm) alarms.add(alarm, vehicle, Date.now());
    if (vehicle && vehicle === panel.vehicle) panel.addMessage(payload);
  },
  onPastAlarm(vehicle, alarm, at) {
    alarms.add(alarm, vehicle, at, { seen: at <= seenUpTo });
  },
  onSilence(vehicle) {
    const silence = { kind: "silence", detail: "", level: "warning", silence: true } as const;
    alarms.add(silence, vehicle, Date.now());
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
  wanted = "";
  const opened = vehicle !== panel.vehicle;
  map.selected = vehicle;
  list.selected = vehicle;
  panel.show(vehicle);
  if (vehicle && center) map.show(vehicle);
  if (vehicle && opened) void openHistory(vehicle);
}

/** Counts openings, so that a late answer is not shown for another vehicle. */
let openings = 0;
async function openHistory(vehicle: Vehicle): Promise<void> {
  const opening = ++openings;
  const messages = await loadPast(vehicle);
  if (opening === openings) panel.addOlderMessages(messages);
}

/** Reads the stored messages of a vehicle, and adds them to its trail once. */
async function loadPast(vehicle: Vehicle): Promise<unknown[]> {
  const isFirst = !vehicle.historyLoaded;
  vehicle.historyLoaded = true;
  const messages = await readHistory(vehicle.id, api.request);
  if (isFirst) {
    prependHistory(vehicle, messages);
    map.redrawTrails();
  }
  return messages;
}

/**
 * A small fleet shows its trails at once; in a large fleet a vehicle's trail loads on selection.
 */
async function showHistories(): Promise<void> {
  if (fleet.vehicles.size > MAX_HISTORIES) return;
  for (const vehicle of fleet.vehicles.values()) {
    if (!vehicle.historyLoaded) await loadPast(vehicle);
  }
}

function refresh(): void {
  status.refresh(stream);
  filters.refresh();
  list.refresh();
  panel.refresh();
  feed.refresh();
  sound.refresh(Date.now());
  showNote();
  showTitle();
  keepView();
}

/** Explains on the map why nothing moves there. */
function showNote(): void {
  const note = byId("map-note");
  const { connection } = document.body.dataset;
  const lost = connection === "waiting" || connection === "closed";
  note.hidden = !lost && (fleet.anyPosition || connection !== "open");
  if (!note.hidden) setText(note, lost ? status.words : text("waitingForData"));
}

/** Shows the number of unseen alarms, also for a tab in the background. */
function showTitle(): void {
  const { connection } = document.body.dataset;
  const lost = connection === "waiting" || connection === "closed";
  const { unseen } = alarms;
  const title = `${unseen > 0 ? `(${unseen}) ` : ""}${
    lost ? `${text("titleLost")} · ` : ""
  }Telecast`;
  if (document.title !== title) document.title = title;
}

/** Remembers over a reload up to when all alarms have been seen. */
function keepSeen(): void {
  if (alarms.unseen === 0) storeChoice("seen_up_to", String(Date.now()));
}
addEventListener("pagehide", keepSeen);
if (storedChoice("seen_up_to") === undefined) keepSeen();

/** Keeps the view in the address, and opens the vehicle that it names once it is known. */
function keepView(): void {
  const named = wanted === "" ? undefined : fleet.vehicles.get(wanted);
  if (named) select(named, { center: true });
  const device = panel.vehicle?.id ?? wanted;
  storeViewState({ ...fleet.filter, order: list.order, device });
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

sort.addEventListener("change", () => list.order = sort.value as Order);

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
