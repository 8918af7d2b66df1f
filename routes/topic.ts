/** Topics that requests name, or that are made of what they name. */

import { checkTopic, InvalidTopicError } from "../ingest/mqtt/topic_name.ts";
import { ProblemError } from "./problem.ts";

/** @throws {ProblemError} 400 where MQTT has no such topic: nothing is sent then. */
export function requireTopic(topic: string): void {
  try {
    checkTopic(topic);
  } catch (error) {
    throw error instanceof InvalidTopicError ? invalidTopic(error) : error;
  }
}

export function invalidTopic({ message }: InvalidTopicError): ProblemError {
  return new ProblemError({ status: 400, code: "invalid_topic", detail: message });
}
