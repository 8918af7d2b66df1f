/** The client library as one file without types, so that a page can import it by URL. */

import { stripTypeScriptTypes } from "node:module";
import audience from "../../client/audience.ts" with { type: "text" };
import commandQueue from "../../client/command_queue.ts" with { type: "text" };
import connection from "../../client/connection.ts" with { type: "text" };
import mailbox from "../../client/mailbox.ts" with { type: "text" };
import retry from "../../client/retry.ts" with { type: "text" };
import sseLink from "../../client/sse_link.ts" with { type: "text" };
import streamError from "../../client/stream_error.ts" with { type: "text" };
import telecast from "../../client/telecast.ts" with { type: "text" };
import tokenKeeper from "../../client/token_keeper.ts" with { type: "text" };
import types from "../../client/types.ts" with { type: "text" };
import values from "../../client/values.ts" with { type: "text" };
import waiting from "../../client/waiting.ts" with { type: "text" };
import watchdog from "../../client/watchdog.ts" with { type: "text" };
import webSocketLink from "../../client/websocket_link.ts" with { type: "text" };

/** In an order in which everything is defined before it is used. */
const MODULES = [
  streamError,
  values,
  waiting,
  mailbox,
  audience,
  commandQueue,
  watchdog,
  webSocketLink,
  sseLink,
  connection,
  retry,
  tokenKeeper,
];

const LOCAL_IMPORT = /^import\s[^;]*?\sfrom "\.\/[^"]+";\n/gm;
const EXPORT = /^export (?=(?:abstract |async )?(?:class|const|function)\b)/gm;

/** `/client.js`: an ES module that exports `Telecast`. */
export function clientScript(): string {
  const parts = MODULES.map((source) => withoutTypes(source).replace(EXPORT, ""));
  return [...parts, withoutTypes(telecast)].join("\n");
}

/** `/client.d.ts`: the types, and the only value that is exported. */
export function clientTypes(): string {
  return `${types}\nexport declare const Telecast: TelecastConstructor;\n`;
}

function withoutTypes(source: string): string {
  return stripTypeScriptTypes(source.replace(LOCAL_IMPORT, "")).replace(/[ \t]+$/gm, "")
    .replace(/\n{3,}/g, "\n\n").trim() + "\n";
}
