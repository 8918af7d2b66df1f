/** Makes text from devices and people safe to show within our own. */

const MARK = "…";
/** Line breaks of every kind and control characters; then those that set the text direction. */
const BREAKS = /[\p{Cc}\p{Zl}\p{Zp}\s]+/gu;
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** One line, with single spaces, well-formed, without characters that set its direction. */
export function oneLine(text: string): string {
  return text.toWellFormed().replace(DIRECTIONS, "").replace(BREAKS, " ").trim();
}

/**
 * At most `maxChars` UTF-16 units, and so at most that many characters, whichever of the two is
 * counted. A cut text ends in `…`, never in half a character.
 */
export function cut(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const end = maxChars - MARK.length;
  const last = text.charCodeAt(end - 1);
  const isHalf = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, isHalf ? end - 1 : end).trimEnd() + MARK;
}
