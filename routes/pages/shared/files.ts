/** The files that both pages share. */

import uplot from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import api from "./api.ts" with { type: "text" };
import controls from "./controls.css" with { type: "text" };
import dom from "./dom.ts" with { type: "text" };
import frame from "./frame.css" with { type: "text" };
import icon from "./icon.svg" with { type: "text" };
import language from "./language.ts" with { type: "text" };
import pageTools from "./page_tools.ts" with { type: "text" };
import palette from "./palette.ts" with { type: "text" };
import preferences from "./preferences.ts" with { type: "text" };
import texts from "./texts.ts" with { type: "text" };
import theme from "./theme.css" with { type: "text" };
import timePlot from "./time_plot.ts" with { type: "text" };
import tokenDialogHtml from "./token_dialog.html" with { type: "text" };
import tokenDialog from "./token_dialog.ts" with { type: "text" };
import toolsHtml from "./tools.html" with { type: "text" };
import unseen from "./unseen.ts" with { type: "text" };

/** By file name within the folder; a module is served as `.js`. */
export const SHARED_FILES: Readonly<Record<string, string>> = {
  "api.ts": api,
  "controls.css": controls,
  "dom.ts": dom,
  "frame.css": frame,
  "icon.svg": icon,
  "language.ts": language,
  "page_tools.ts": pageTools,
  "palette.ts": palette,
  "preferences.ts": preferences,
  "texts.ts": texts,
  "theme.css": theme,
  "time_plot.ts": timePlot,
  "token_dialog.ts": tokenDialog,
  "unseen.ts": unseen,
  "uplot.css": uplotStyle,
  // Turned into a module, so that it can be imported when the first plot is drawn.
  "uplot.js": `${uplot}\nexport default uPlot;\n`,
};

/** Pieces of a page, by the comment that they replace. */
export const SHARED_HTML: Readonly<Record<string, string>> = {
  "<!-- TOKEN_DIALOG -->": tokenDialogHtml,
  "<!-- TOOLS -->": toolsHtml,
};
