/**
 * Characters that cannot be seen, or that turn the text around them: with one of them an id looks
 * like another.
 */
const UNSEEN = /[\p{Cc}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;

/** The text with `[U+200B]` in the place of each of them. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => `[U+${hex(character.codePointAt(0)!)}]`);
}

/** The value as JSON over several lines, with `\u200B` in the place of each of them. */
export function visibleJson(value: unknown): string {
  const text = JSON.stringify(value, null, 2) ?? "";
  return text.replace(UNSEEN, (character) => {
    if (character === "\n") return character;
    return character.split("").map((unit) => `\\u${hex(unit.charCodeAt(0))}`).join("");
  });
}

function hex(code: number): string {
  return code.toString(16).toUpperCase().padStart(4, "0");
}

/** The beginning of a text that is longer than `most` characters. */
export function shortened(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}
