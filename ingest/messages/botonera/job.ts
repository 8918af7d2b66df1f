/** The job for a panic button message. */

import { PROCESS } from "../../../broker/deliveries/alarm_handler.ts";
import type { Job, Message } from "../../../broker/messages/message.ts";
import type { BotoneraMessage } from "./message_types.ts";

/**
 * Jobs are in order by company, or by device if the message names no company. The message is copied
 * as text: serialized again, a number such as 1e20 would be longer, and stored values are limited.
 */
export function botoneraJob(message: Message, { company, notifies }: BotoneraMessage): Job {
  const named = company === undefined ? "" : `"company":${JSON.stringify(company)},`;
  const data = `{${named}"notifies":${notifies},"message":${message.payload}}`;
  const body = `{"kind":${JSON.stringify(PROCESS)},"time":${Date.now()},"data":${data}}`;
  return { partition: company ?? message.deviceId, body, company };
}
