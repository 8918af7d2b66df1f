/** What is wrong with a Kafka topic name, and which name to use; undefined if it is valid. */
export function topicNameProblem(topic: string): string | undefined {
  if (/^[A-Za-z0-9._-]{1,249}$/.test(topic) && topic !== "." && topic !== "..") return undefined;
  // Values are never shown, except this one: the seed system documents this name.
  const instead = topic === "tracking/data" ? "tracking.data" : "another name";
  return "names a topic that Kafka does not allow (letters, digits, '.', '_' and '-' only): " +
    `use ${instead}, and create the topic by that name`;
}
