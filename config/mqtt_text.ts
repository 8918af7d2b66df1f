/** Rules for text in MQTT: in topics, client ids, user names (MQTT 5, 1.5.4). */

import { z } from "zod";

/** MQTT encodes the length of a string in two bytes. */
export const MAX_MQTT_BYTES = 65_535;
/**
 * Control characters, unpaired surrogates, non-characters. A broker may close the connection
 * because of any of them, and Mosquitto does.
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

/** A variable whose value is sent over MQTT. */
export const mqttText = (form = z.string()) =>
  form.refine(isMqttText, "must not contain control characters");
