/** What is wrong with the name of a Kafka topic, with the legal name to use; or undefined. */
export function topicNameProblem(topic: string): string | undefined {
  if (/^[A-Za-z0-9._-]{1,249}$/.test(topic) && topic !== "." && topic !== "..") return undefined;
  // No value is ever shown, but this one is the name that the seed system documents.
  const instead = topic === "tracking/data" ? "tracking.data" : "another name";
  return "names a topic that Kafka does not allow (letters, digits, '.', '_' and '-' only): " +
    `use ${instead}, and create the topic by that name`;
}
