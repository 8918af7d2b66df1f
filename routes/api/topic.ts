/** Checks topics that requests name, or that are built from their parts. */

import { checkTopic, InvalidTopicError } from "../../ingest/mqtt/topic_name.ts";
import { ProblemError } from "../http/problem.ts";

/**
 * `field` is the part of the request that the topic was built from.
 * @throws {ProblemError} 400 if MQTT does not allow the topic: nothing is sent then.
 */
export function requireTopic(topic: string, field: "topic" | "device_id"): void {
  try {
    checkTopic(topic);
  } catch (error) {
    throw error instanceof InvalidTopicError ? invalidTopic(error, field) : error;
  }
}

export function invalidTopic({ message }: InvalidTopicError, field: string): ProblemError {
  return new ProblemError({ status: 400, code: "invalid_topic", detail: `${field}: ${message}` });
}
