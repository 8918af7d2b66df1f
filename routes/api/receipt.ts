/** The outcome of publishing a message, as a response. */

import {
  InvalidPayloadError,
  type Receipt,
  RefusedError,
  UndeliverableError,
} from "../../ingest/aws_iot/service.ts";
import { InvalidTopicError } from "../../ingest/mqtt/topic_name.ts";
import { problem, ProblemError } from "../http/problem.ts";
import { invalidTopic } from "./topic.ts";

/** 200 after the broker's ack, 202 if the message is kept for later, else a problem. */
export async function receiptResponse(
  receipt: Promise<Receipt>,
  details: Readonly<Record<string, string>>,
): Promise<Response> {
  try {
    const status = await receipt;
    return Response.json({ status, ...details }, { status: status === "published" ? 200 : 202 });
  } catch (error) {
    if (error instanceof InvalidPayloadError) throw badMessage(error);
    if (error instanceof InvalidTopicError) throw invalidTopic(error, "device_id");
    if (error instanceof RefusedError) {
      return problem({
        status: 503,
        code: "refused_by_aws_iot",
        detail: "AWS IoT Core refuses this message: its policy must allow the topic",
        headers: { "retry-after": "60" },
      });
    }
    if (error instanceof UndeliverableError) return notAcknowledged();
    throw error;
  }
}

export function badMessage(error: InvalidPayloadError): ProblemError {
  return new ProblemError({ status: 400, code: "bad_message", detail: error.message });
}

export function notAcknowledged(): Response {
  return problem({
    status: 503,
    code: "not_acknowledged",
    detail: "The broker did not acknowledge the message in time: try again",
    headers: { "retry-after": "5" },
  });
}

export function notConfigured(detail: string): Response {
  return problem({
    status: 503,
    code: "not_configured",
    detail,
    headers: { "retry-after": "60" },
  });
}
