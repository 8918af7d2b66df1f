/** The page at /docs: every operation with its parameters, its answers, and a command to try. */

import { html, raw } from "hono/html";
import { EVENT_SCHEMAS } from "../../streams/event_schemas.ts";
import { operations } from "../../openapi/document.ts";
import { curlCommand, exampleRequest } from "../../openapi/example_request.ts";
import {
  type Content,
  describe,
  type Described,
  type GuardedOperation,
  type Json,
  problemsOf,
  schemaOf,
} from "../../openapi/operation.ts";
import { commandSchema } from "../../streams/stream_commands.ts";
import { fieldTable } from "./fields.ts";
import { rich } from "./rich_text.ts";

export interface DocsOptions {
  /** The origin of the page, used in the examples. */
  readonly origin: string;
  readonly tokens: boolean;
}

type Html = ReturnType<typeof html>;
const NO_BODY: Content = { schema: {} };

export function docsPage(options: DocsOptions): Html {
  const tags = Map.groupBy(operations(options), ({ tag }) => tag);
  return html`
    <!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Telecast: HTTP interface</title>
        <link rel="stylesheet" href="docs/style.css">
        <link rel="icon" href="docs/icon.svg" type="image/svg+xml">
      </head>
      <body>
        <nav aria-label="Operations">
    <p class="brand"><a href="./">Telecast</a></p>
    ${[...tags].map(([tag, operations]) =>
      html`
        <p>${tag}</p>
        <ul>${operations.map(({ id, method, path }) =>
          html`<li><a href="#${id}"><b class="${method}">${method}</b> ${breakable(path)}</a></li>`
        )}</ul>
      `
    )}
    <p>WebSocket</p><ul><li><a href="#events">Events</a></li><li><a href="#commands">Commands</a></li></ul>
        </nav>
        <main>
    <h1>HTTP interface</h1>
    <p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1), and for the stream's
    events <a href="asyncapi.json">asyncapi.json</a> (AsyncAPI 3.0).</p>
    ${access(options)}
    <p>Errors are problem documents (<code>application/problem+json</code>): <code>detail</code> is
    for people; <code>code</code> is for programs, and stable.</p>
    ${[...tags].map(([tag, operations]) =>
      html`<h2>${tag}</h2>${operations.map((operation) => section(operation, options))}`
    )}
    ${events()}
        </main>
      </body>
    </html>
  `;
}

function access({ tokens }: DocsOptions): Html {
  return tokens
    ? html`<p>Send a token as <code>Authorization: Bearer …</code>. If headers cannot be set, send
    <code>access_token=…</code> in the query or, on a WebSocket, the subprotocol
    <code>bearer.…</code>. For the commands below: <code>export TOKEN=…</code>.</p>`
    : html`<p>This server requires no token.</p>`;
}

function section(operation: GuardedOperation, options: DocsOptions): Html {
  const { id, method, path, summary, description, scope } = operation;
  const token = scope !== undefined;
  const described = describe(operation);
  const command = curlCommand(exampleRequest(operation), { origin: options.origin, token });
  const example = operation.websocketOnly ? "" : html`<pre aria-label="Example">${command}</pre>`;
  return html`<section id="${id}">
<h3><b class="${method}">${method}</b> <code>${breakable(path)}</code>
${token ? html`<span class="scope">scope ${scope}</span>` : ""}</h3>
<p>${summary}.</p>
${description ? html`<p>${rich(description)}</p>` : ""}
${parameters(described)}
${body(described)}
${example}
${answers(operation, described)}
</section>`;
}

function parameters({ parameters }: Described): Html | "" {
  if (parameters.length === 0) return "";
  return fieldTable(
    "Parameters",
    parameters.map(({ name, required, description, schema, in: place }) => ({
      name,
      note: place === "query" ? "" : place,
      required,
      schema: { ...schema, description },
    })),
  );
}

function body({ requestBody }: Described): Html | "" {
  const content = requestBody && Object.values(requestBody.content)[0];
  return content ? schemaFields("Body", content.schema) : "";
}

function schemaFields(title: string, { properties = {}, required = [] }: Json): Html | "" {
  const names = new Set(required as string[]);
  const fields = Object.entries(properties as Record<string, Json>)
    .map(([name, schema]) => ({ name, note: "", required: names.has(name), schema }));
  return fields.length === 0 ? "" : fieldTable(title, fields);
}

function answers(operation: GuardedOperation, { responses }: Described): Html {
  const problems = problemsOf(operation);
  const good = Object.entries(responses).filter(([status]) => Number(status) in operation.answers);
  return html`${
    good.map(([status, { description, content = {} }]) => {
      const [[type, { schema, example }] = ["", NO_BODY]] = Object.entries(content);
      return html`<p><b class="status">${status}</b> ${rich(description)}.
<span class="type">${type}</span></p>
${schemaFields(`Answer ${status}`, schema)}
${
        example === undefined
          ? ""
          : html`<pre aria-label="Answer">${JSON.stringify(example, null, 2)}</pre>`
      }`;
    })
  }<p class="problems">Problems: ${
    Object.entries(problems).map(([status, codes]) =>
      html`
        <span><b class="status">${status}</b> ${raw(
          [...codes].map((code) => `<code>${code}</code>`).join(", "),
        )}</span>
      `
    )
  }</p>`;
}

function events(): Html {
  return html`
    <h2 id="events">Events of the stream</h2>
    <p>Over Server-Sent Events each has the lines <code>id</code>, <code>event</code> and
    <code>data</code>; over WebSocket it is <code>{"event":…,"data":…,"id":…}</code>.</p>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Event</th>
            <th>When</th>
            <th>Data</th>
          </tr>
        </thead>
        <tbody>
    ${Object.entries(EVENT_SCHEMAS).map(([name, { summary, data, transports }]) =>
      html`
        <tr>
          <td><code>${name}</code>${transports.length === 1
            ? html`<br><small>WebSocket</small>`
            : ""}</td>
          <td>${rich(summary)}</td>
          <td><code class="json">${shape(schemaOf(data, "input"))}</code></td>
        </tr>
      `
    )}</tbody>
      </table>
    </div>
    <h2 id="commands">Commands on a WebSocket</h2>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Action</th>
            <th>Frame</th>
          </tr>
        </thead>
        <tbody>
    ${commandSchema.options.map((option) => {
      const { properties } = schemaOf(option, "input") as { properties: Record<string, Json> };
      return html`
        <tr>
          <td><code>${String(properties.action?.const)}</code></td>
          <td><code class="json">${shape({ type: "object", properties })}</code></td>
        </tr>
      `;
    })}</tbody>
      </table>
    </div>
  `;
}

/** A schema in one line, in the form of its JSON. */
function shape({ type, properties, items, enum: words, const: only }: Json): string {
  if (only !== undefined) return JSON.stringify(only);
  if (Array.isArray(words)) return words.map((word) => JSON.stringify(word)).join(" or ");
  if (type === "array") return `[${shape(items as Json)}, …]`;
  if (type === "object" && properties) {
    const members = Object.entries(properties as Record<string, Json>);
    return `{${members.map(([name, schema]) => `"${name}": ${shape(schema)}`).join(", ")}}`;
  }
  return typeof type === "string" ? type : "payload";
}

/** A path in which a line may break after each slash. */
function breakable(path: string): Html {
  return html`${path.split(/(?<=\/)/).map((part) => html`${part}<wbr>`)}`;
}
