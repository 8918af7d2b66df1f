/** A line for each message that a source took, for who looks why one does not arrive. */

import type { Entry } from "../../broker/messages/message.ts";
import type { Logger } from "../../telemetry/log.ts";

/** At debug level alone; a payload is in no line, as it may hold what is not for logs. */
export function logMessages(logger: Logger, source: string, entries: readonly Entry[]): void {
  if (!logger.isEnabledFor("debug")) return;
  for (const { inbound, deviceId, payload } of entries) {
    if (inbound) logger.debug("{source}: message from a person", { source });
    else {
      const { length } = payload;
      logger.debug("{source}: message of {deviceId}, {length} characters", {
        source,
        deviceId,
        length,
      });
    }
  }
}
