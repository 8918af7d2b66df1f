/**
 * Characters that are invisible, or change the direction of the text around them: with one of them
 * an id looks like another.
 */
const UNSEEN = /[\p{Cc}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu;

/** The text with each of them replaced, for example by `[U+200B]`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => `[U+${hex(character.codePointAt(0)!)}]`);
}

/** The value as indented JSON, with each of them replaced, for example by `\u200B`. */
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

/** The text, cut if it is longer than `most` characters. */
export function shortened(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}
