/** A table of parameters, or of the fields of an object. */

import { html } from "hono/html";
import type { Json } from "../../openapi/operation.ts";
import { rich } from "./rich_text.ts";

export interface Field {
  readonly name: string;
  /** Where it is sent, if not in the query. */
  readonly note: string;
  readonly required: boolean;
  readonly schema: Json;
}

export function fieldTable(title: string, fields: readonly Field[]) {
  return html`
    <div class="scroll">
      <table aria-label="${title}">
        <thead>
          <tr>
            <th>${title}</th>
            <th>Value</th>
            <th>Meaning</th>
          </tr>
        </thead>
        <tbody>
    ${fields.map(({ name, note, required, schema }) =>
      html`
        <tr>
          <td><code>${name}</code>${note
            ? html`
              <small>${note}</small>
            `
            : ""}${required
            ? html`
              <small>required</small>
            `
            : ""}</td>
          <td>${valueOf(schema)}</td>
          <td>${rich(String(schema.description ?? ""))}</td>
        </tr>
      `
    )}</tbody>
      </table>
    </div>
  `;
}

/** A short description of the values that a schema accepts. */
function valueOf(schema: Json): string {
  const { default: preset } = schema;
  const given = preset === undefined ? "" : `; default ${JSON.stringify(preset)}`;
  return kindOf(schema) + limitsOf(schema) + given;
}

function kindOf({ type, enum: words, const: only, anyOf, items }: Json): string {
  if (only !== undefined) return JSON.stringify(only);
  if (Array.isArray(words)) return words.join(", ");
  if (Array.isArray(anyOf)) return anyOf.map((one) => valueOf(one)).join(" or ");
  if (type === "array") return `list of ${valueOf(items as Json)}`;
  if (type === "boolean") return "1 or 0, true or false";
  return String(type ?? "any JSON");
}

function limitsOf(schema: Json): string {
  const { minimum, exclusiveMinimum, minLength, maxItems } = schema;
  const maximum = Number(schema.maximum ?? NaN);
  if (maximum < Number.MAX_SAFE_INTEGER) {
    return exclusiveMinimum === undefined
      ? ` from ${minimum ?? 0} to ${maximum}`
      : ` above ${exclusiveMinimum}, up to ${maximum}`;
  }
  if (schema.maxLength) return ` of ${minLength ?? 0} to ${schema.maxLength} characters`;
  return maxItems ? `, at most ${maxItems}` : "";
}
