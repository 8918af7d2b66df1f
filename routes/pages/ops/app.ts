/// <reference lib="dom" />
import { Api } from "../shared/api.ts";
import { byId, element, setText } from "../shared/dom.ts";
import { formatSpan, onLanguage, setLanguage } from "../shared/language.ts";
import { startPageTools } from "../shared/page_tools.ts";
import { storedLanguage } from "../shared/preferences.ts";
import { TokenDialog } from "../shared/token_dialog.ts";
import { ConnectionsView } from "./connections_view.ts";
import { DeliveriesView } from "./deliveries_view.ts";
import { InstancesView } from "./instances_view.ts";
import { Poller, type PollState } from "./poller.ts";
import { type Problem, problemsOf } from "./problems.ts";
import { RatePlots } from "./rate_plots.ts";
import { Rates } from "./rates.ts";
import { SourcesView } from "./sources_view.ts";
import type { Readiness, Stats } from "./stats.ts";
import { StoreView } from "./store_view.ts";
import { text } from "./texts.ts";

const PINNED_MS = 20_000;

setLanguage(storedLanguage());

const api = new Api();
const rates = new Rates();
const ratePlots = new RatePlots();
const sources = new SourcesView();
const instances = new InstancesView();
const connections = new ConnectionsView();
const deliveries = new DeliveriesView(api.request);
const store = new StoreView();
const dialog = new TokenDialog((token) => {
  api.token = token;
  poller.poll();
});

let last: { stats: Stats; readiness: Readiness } | undefined;
let poll: PollState = { state: "connecting" };

/**
 * Behind a load balancer different instances answer: what only one of them knows is shown of one
 * instance at a time.
 */
let pinned = { instance: "", at: 0 };
function isPinned(instance: string): boolean {
  if (instance !== pinned.instance && Date.now() - pinned.at < PINNED_MS) return false;
  pinned = { instance, at: Date.now() };
  return true;
}

function refresh(): void {
  showPoll();
  if (!last) return;
  const { stats, readiness } = last;
  const { instance, uptime_seconds } = stats;
  const shown = isPinned(instance);
  sources.refresh(stats, rates);
  instances.refresh(stats, rates, pinned.instance);
  showProblems(problemsOf(stats, readiness, rates.latest("dropped")));
  if (!shown) return;
  connections.refresh(stats);
  deliveries.refresh(stats, Date.now());
  store.refresh(stats);
  setText(
    byId("answering"),
    text("answeredBy", { instance, time: formatSpan(uptime_seconds * 1000) }),
  );
}

function showPoll(): void {
  const pill = byId("connection");
  pill.dataset.state = document.body.dataset.connection = poll.state;
  const words = {
    connecting: () => text("loading"),
    open: () => text("current"),
    waiting: () =>
      text("lost", { time: formatSpan(poll.state === "waiting" ? Date.now() - poll.since : 0) }),
    closed: () => text("refused"),
  };
  setText(byId("connection-text"), words[poll.state]());
}

let told = "";
function showProblems(problems: readonly Problem[]): void {
  const words = problems.length === 0 ? text("allWell") : JSON.stringify(problems);
  if (words === told) return;
  told = words;
  const items = problems.map(({ level, words }) =>
    element("p", { class: "problem", "data-tone": level }, words)
  );
  if (items.length === 0) {
    items.push(element("p", { class: "problem", "data-tone": "good" }, words));
  }
  byId("problems").replaceChildren(...items);
}

const poller = new Poller(api, {
  onState(state) {
    poll = state;
    showPoll();
  },
  onStats(stats, readiness) {
    last = { stats, readiness };
    rates.add(stats, Date.now());
    ratePlots.refresh(rates);
    refresh();
  },
  askForToken: (why) =>
    dialog.ask(why === "scope" ? { error: text("scopeNeeded") } : { refused: why === "refused" }),
});

setInterval(showPoll, 1_000);
startPageTools();
onLanguage(() => {
  document.title = `Telecast · ${text("pageName")}`;
  refresh();
});
