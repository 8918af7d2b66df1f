/** MQTT topic filters. */

import { list } from "../../config/forms.ts";
import { isMqttText } from "../../config/mqtt_text.ts";

/** Whether MQTT allows the filter: `#` only as the last level, `+` only as a whole level. */
export function isTopicFilter(filter: string): boolean {
  if (filter === "" || !isMqttText(filter)) return false;
  const levels = filter.split("/");
  return levels.every((level, i) =>
    level === "#" ? i === levels.length - 1 : level === "+" || !/[#+]/.test(level)
  );
}

/** A variable that holds topic filters joined by commas. */
export const topicFilters = () =>
  list().refine((all) => all.every(isTopicFilter), {
    error:
      "contains a topic filter that MQTT does not allow: # must be the last level, + a whole " +
      "level, and control characters are not allowed",
  });
