/** The text of an alarm, as people get it over WhatsApp. */

import { cut, oneLine } from "./plain_text.ts";

/** Names are cut here, so that a long one leaves room for the rest. */
const MAX_NAME_CHARS = 200;
/** A line that starts like one of our own. */
const LIKE_OURS = /^(alarma\b|empresa\s*:)/i;

/** One line each for alarm, company and description; text from devices cannot add lines. */
export function alarmText(message: Readonly<Record<string, unknown>>): string {
  const alarm = fieldOf(message.tipo_alarma, MAX_NAME_CHARS);
  const company = fieldOf(message.empresa, MAX_NAME_CHARS);
  const description = fieldOf(message.descripcion);
  const lines = [`Alarma ${alarm}`.trimEnd()];
  if (company !== "") lines.push(`Empresa: ${company}`);
  if (description !== "") {
    const label = LIKE_OURS.test(description.normalize("NFKC")) ? "Descripción: " : "";
    lines.push(label + description);
  }
  return lines.join("\n");
}

/** Empty if there is nothing to show: devices without a value send null, or nothing. */
function fieldOf(value: unknown, maxChars = Infinity): string {
  const shown = typeof value === "string" || typeof value === "number" ||
    typeof value === "boolean";
  return shown ? cut(oneLine(String(value)), maxChars) : "";
}
