/** Logs a line for each message that a source received, to find out why one does not arrive. */

import type { Entry } from "../../broker/messages/message.ts";
import type { Logger } from "../../telemetry/log.ts";

/** Only at debug level, and without payloads, which may contain sensitive data. */
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
