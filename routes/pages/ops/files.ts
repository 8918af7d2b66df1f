/** The files of the operator's page, besides those that both pages share. */

import app from "./app.ts" with { type: "text" };
import connectionsView from "./connections_view.ts" with { type: "text" };
import deliveriesView from "./deliveries_view.ts" with { type: "text" };
import instancesView from "./instances_view.ts" with { type: "text" };
import layoutStyle from "./layout.css" with { type: "text" };
import html from "./ops.html" with { type: "text" };
import poller from "./poller.ts" with { type: "text" };
import problems from "./problems.ts" with { type: "text" };
import ratePlots from "./rate_plots.ts" with { type: "text" };
import rates from "./rates.ts" with { type: "text" };
import sourcesView from "./sources_view.ts" with { type: "text" };
import stats from "./stats.ts" with { type: "text" };
import storeView from "./store_view.ts" with { type: "text" };
import tableStyle from "./table.css" with { type: "text" };
import table from "./table.ts" with { type: "text" };
import texts from "./texts.ts" with { type: "text" };

export const OPS_HTML: string = html;

/** By file name within the folder; a module is served as `.js`. */
export const OPS_FILES: Readonly<Record<string, string>> = {
  "app.ts": app,
  "connections_view.ts": connectionsView,
  "deliveries_view.ts": deliveriesView,
  "instances_view.ts": instancesView,
  "layout.css": layoutStyle,
  "poller.ts": poller,
  "problems.ts": problems,
  "rate_plots.ts": ratePlots,
  "rates.ts": rates,
  "sources_view.ts": sourcesView,
  "stats.ts": stats,
  "store_view.ts": storeView,
  "table.css": tableStyle,
  "table.ts": table,
  "texts.ts": texts,
};
