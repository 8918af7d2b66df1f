/**
 * Broker addresses in a form that kafkajs can parse: it splits them at the first colon, so the
 * colons of an IPv6 address are replaced by commas.
 */

/** `[::1]:9092` becomes `,,1:9092`; other addresses stay unchanged. */
export function toKafkajs(server: string): string {
  return server.replace(/^\[(.+)\]:/, (_, address: string) => `${address.replaceAll(":", ",")}:`);
}

export function hostOf(kafkajsHost: string): string {
  return kafkajsHost.replaceAll(",", ":");
}

/** The address in its usual form, for logs. */
export function shownAddress(kafkajsServer: string): string {
  return kafkajsServer.replace(/^([^:]*,[^:]*):/, (_, host: string) => `[${hostOf(host)}]:`);
}
