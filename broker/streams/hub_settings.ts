/** What the configuration says about the hub. */

import type { Config } from "../../config/read.ts";
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
