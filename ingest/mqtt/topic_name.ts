/** Topics to publish to, checked before anything is sent (MQTT 5, 1.5.4 and 4.7). */

import { bytesOf, hasForbiddenCharacters, MAX_MQTT_BYTES } from "../../config/mqtt_text.ts";

/** Nothing can be published to the topic; the message says why, and does not repeat it. */
export class InvalidTopicError extends Error {
  override readonly name = "InvalidTopicError";
}

/** @throws {InvalidTopicError} where MQTT has no such topic. */
export function checkTopic(topic: string, maxBytes = MAX_MQTT_BYTES): void {
  const problem = topicProblem(topic, maxBytes);
  if (problem !== undefined) throw new InvalidTopicError(`the topic ${problem}`);
}

function topicProblem(topic: string, maxBytes: number): string | undefined {
  if (topic === "") return "must not be empty";
  if (/[#+]/.test(topic)) return "must not hold the wildcards # and +";
  if (hasForbiddenCharacters(topic)) return "must not hold control characters or non-characters";
  if (bytesOf(topic) > maxBytes) return `must not be longer than ${maxBytes} bytes`;
  return undefined;
}
