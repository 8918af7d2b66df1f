/** The work that a panic button's message causes. */

import { PROCESS } from "../../../broker/deliveries/alarm_handler.ts";
import type { Job, Message } from "../../../broker/messages/message.ts";
import type { BotoneraMessage } from "./message_types.ts";

/**
 * In order by company, or by device where the message names none. The message stays the text that
 * it is: parsed and written again, a number such as 1e20 is longer, and a value has its limit.
 */
export function botoneraJob(message: Message, { company, notifies }: BotoneraMessage): Job {
  const named = company === undefined ? "" : `"company":${JSON.stringify(company)},`;
  const data = `{${named}"notifies":${notifies},"message":${message.payload}}`;
  const body = `{"kind":${JSON.stringify(PROCESS)},"time":${Date.now()},"data":${data}}`;
  return { partition: company ?? message.deviceId, body, company };
}
