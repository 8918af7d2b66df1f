/** Limits of JSON beyond its bytes: many small parts cost far more to parse than few long ones. */

import { endOfString } from "../../broker/messages/raw_json.ts";

const MAX_DEPTH = 1_000;
const MAX_MEMBERS = 2_000;
const MAX_CONTAINERS = 10_000;

/** Which limit the text exceeds; undefined if none. The text need not be JSON. */
export function excessOf(text: string): string | undefined {
  let depth = 0;
  let members = 0;
  let containers = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 34: // "
        at = endOfString(text, at) - 1;
        break;
      case 58: // :
        members++;
        break;
      case 91: // [
      case 123: // {
        containers++;
        if (++depth > MAX_DEPTH) return `more than ${MAX_DEPTH} levels`;
        break;
      case 93: // ]
      case 125: // }
        depth--;
    }
  }
  if (members > MAX_MEMBERS) return `more than ${MAX_MEMBERS} members`;
  return containers > MAX_CONTAINERS ? `more than ${MAX_CONTAINERS} objects and lists` : undefined;
}
