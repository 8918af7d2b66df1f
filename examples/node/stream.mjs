// Prints the messages of devices and misses none if the connection is lost. Needs Node 20 or later,
// or Deno, and no packages.
//
//     node stream.mjs http://127.0.0.1:8000 0848086072,0848086073

import process from "node:process";

const [server = "http://127.0.0.1:8000", deviceIds = "0848086072"] = process.argv.slice(2);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Yields the events of one response: each is a block of lines that ends with an empty line. */
async function* eventsOf(response) {
  let text = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const fields = {};
      for (const line of text.slice(0, end).split("\n")) {
        const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
        if (name) fields[name] = value;
      }
      yield fields;
    }
  }
}

let cursor;
let waitMs = 500;
for (;;) {
  let againMs;
  try {
    const url = new URL("/api/v1/stream", server);
    url.searchParams.set("device_ids", deviceIds);
    const response = await fetch(url, { headers: cursor ? { "last-event-id": cursor } : {} });
    if (response.status >= 400 && response.status < 500) {
      process.stderr.write(`refused: ${await response.text()}\n`);
      process.exit(1);
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    for await (const { event, data, id } of eventsOf(response)) {
      waitMs = 500;
      if (event === "message") process.stdout.write(`${data}\n`);
      if (event === "goodbye") againMs = JSON.parse(data).reconnect_ms;
      if (event === "resumed" && JSON.parse(data).status !== "full") {
        process.stderr.write(`some missed messages are gone: ${data}\n`);
      }
      if (id) cursor = id;
    }
  } catch (error) {
    process.stderr.write(`reconnecting: ${error.message}\n`);
  }
  await sleep(againMs ?? waitMs * (0.5 + Math.random()));
  waitMs = Math.min(waitMs * 2, 30_000);
}
