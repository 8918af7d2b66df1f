/** The hub's settings from the configuration. */

import type { Config } from "../../config/config.ts";
import type { HubOptions } from "./hub.ts";

type Settings = Pick<HubOptions, "limits" | "keepaliveSeconds" | "staleSeconds" | "writeSeconds">;

export function hubSettings(config: Config): Settings {
  return {
    limits: { maxPerDevice: config.queueMaxPerDevice, maxBytes: config.queueMaxBytes },
    keepaliveSeconds: config.keepaliveSeconds,
    staleSeconds: config.staleSeconds,
    writeSeconds: config.limits.writeSeconds,
  };
}
