/** The members of a JSON object as they were written. */

/**
 * The text of each member of an object, by name; if a name repeats, the last one counts, as in
 * JSON.parse. Parsing and printing would change large numbers and `1.0`. `json` is the text of an
 * object that JSON.parse accepts.
 */
export function rawMembers(json: string): Map<string, string> {
  const members = new Map<string, string>();
  let at = json.indexOf("{") + 1;
  while (at < json.length) {
    const nameStart = json.indexOf('"', at);
    if (nameStart < 0) break;
    const nameEnd = endOfString(json, nameStart);
    const valueStart = json.indexOf(":", nameEnd) + 1;
    const valueEnd = endOfValue(json, valueStart);
    const name = JSON.parse(json.slice(nameStart, nameEnd)) as string;
    members.set(name, json.slice(valueStart, valueEnd).trim());
    at = valueEnd + 1;
  }
  return members;
}

const QUOTE = 34;
const BACKSLASH = 92;

/** Index after the closing quote of the string that opens at `start`; the length if none closes it. */
export function endOfString(json: string, start: number): number {
  for (let i = start + 1; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) return i + 1;
  }
  return json.length;
}

/** Index of the comma or the brace that follows the value. */
function endOfValue(json: string, start: number): number {
  let depth = 0;
  for (let i = start; i < json.length; i++) {
    const c = json[i];
    if (c === '"') i = endOfString(json, i) - 1;
    else if (c === "{" || c === "[") depth++;
    else if (depth === 0 && (c === "," || c === "}")) return i;
    else if (c === "}" || c === "]") depth--;
  }
  return json.length;
}
