/** Texts of devices and people, made fit to be shown between our own. */

const MARK = "…";
/** Line breaks of every kind, other control characters, and those that turn the direction of text. */
const BREAKS = /[\p{Cc}\p{Zl}\p{Zp}\s]+/gu;
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** In one line, with single spaces, well-formed, and read in the direction in which it is written. */
export function oneLine(text: string): string {
  return text.toWellFormed().replace(DIRECTIONS, "").replace(BREAKS, " ").trim();
}

/**
 * At most `maxChars` UTF-16 units, and so at most as many characters, whichever of the two is
 * counted; a text that is cut ends in `…`, and never in half of a character.
 */
export function cut(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const end = maxChars - MARK.length;
  const last = text.charCodeAt(end - 1);
  const isHalf = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, isHalf ? end - 1 : end).trimEnd() + MARK;
}
