/** Checks the topics of messages to publish (MQTT 5, 1.5.4 and 4.7). */

import { bytesOf, hasForbiddenCharacters, MAX_MQTT_BYTES } from "../../config/mqtt_text.ts";

/** The topic cannot be published to; the message says why and does not repeat the topic. */
export class InvalidTopicError extends Error {
  override readonly name = "InvalidTopicError";
}

/** @throws {InvalidTopicError} if MQTT does not allow the topic. */
export function checkTopic(topic: string, maxBytes = MAX_MQTT_BYTES): void {
  const problem = topicProblem(topic, maxBytes);
  if (problem !== undefined) throw new InvalidTopicError(`the topic ${problem}`);
}

function topicProblem(topic: string, maxBytes: number): string | undefined {
  if (topic === "") return "must not be empty";
  if (/[#+]/.test(topic)) return "must not contain the wildcards # and +";
  if (hasForbiddenCharacters(topic)) return "must not contain control characters or non-characters";
  if (bytesOf(topic) > maxBytes) return `must not be longer than ${maxBytes} bytes`;
  return undefined;
}
