/** The work that a panic button's message causes. */

import { PROCESS, type ProcessStep } from "../../broker/delivery/alarm_handler.ts";
import type { Job, Message } from "../../broker/message.ts";
import type { BotoneraMessage } from "./message_types.ts";

/** In order by company, or by device where the message names none. */
export function botoneraJob(message: Message, botonera: BotoneraMessage, value: object): Job {
  const { company, notifies } = botonera;
  const data: ProcessStep = { message: value as ProcessStep["message"], company, notifies };
  const body = JSON.stringify({ kind: PROCESS, data, time: Date.now() });
  return { lane: company ?? message.deviceId, body, company };
}
