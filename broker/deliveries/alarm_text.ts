/** What people read of an alarm, over WhatsApp. */

import { cut, oneLine } from "./plain_text.ts";

/** So much of a name is shown, so that a long one leaves room for the rest. */
const MAX_NAME_CHARS = 200;
/** A line that begins like one of ours. */
const LIKE_OURS = /^(alarma\b|empresa\s*:)/i;

/** One line each for the alarm, its company and its description; what devices give adds none. */
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

/** Empty where there is nothing to show: devices that know no value send null, or nothing. */
function fieldOf(value: unknown, maxChars = Infinity): string {
  const shown = typeof value === "string" || typeof value === "number" ||
    typeof value === "boolean";
  return shown ? cut(oneLine(String(value)), maxChars) : "";
}
