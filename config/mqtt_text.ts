/** Text as MQTT has it: in topics, client ids, user names (MQTT 5, 1.5.4). */

import { z } from "zod";

/** A string of MQTT has its length in two bytes. */
export const MAX_MQTT_BYTES = 65_535;
/**
 * Control characters, surrogates without their other half, non-characters. A broker may close the
 * connection over any of them, and Mosquitto does.
 */
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;
const encoder = new TextEncoder();

export function hasForbiddenCharacters(text: string): boolean {
  return FORBIDDEN.test(text);
}

/** The length of a text in UTF-8. */
export function bytesOf(text: string): number {
  return encoder.encode(text).length;
}

/** Whether MQTT can carry the text. */
export function isMqttText(text: string): boolean {
  return !hasForbiddenCharacters(text) && bytesOf(text) <= MAX_MQTT_BYTES;
}

/** A variable that MQTT carries. */
export const mqttText = (form = z.string()) =>
  form.refine(isMqttText, "must not hold control characters");
