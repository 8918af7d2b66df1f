/** Topic filters of MQTT. */

import { list } from "../../config/forms.ts";
import { isMqttText } from "../../config/mqtt_text.ts";

/** Whether MQTT allows the filter: `#` alone as the last level, `+` alone in a level. */
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
      "holds a topic filter that MQTT does not allow: # may only be the last level, + a whole one, " +
      "and there may be no control characters",
  });
