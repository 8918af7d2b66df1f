/**
 * Broker addresses in the form that kafkajs can hold: it cuts them at their first colon, so the
 * colons of an IPv6 address travel as commas.
 */

/** `[::1]:9092` becomes `,,1:9092`; all else stays. */
export function toKafkajs(server: string): string {
  return server.replace(/^\[(.+)\]:/, (_, address: string) => `${address.replaceAll(":", ",")}:`);
}

export function hostOf(kafkajsHost: string): string {
  return kafkajsHost.replaceAll(",", ":");
}

/** As people write it, for logs. */
export function shownAddress(kafkajsServer: string): string {
  return kafkajsServer.replace(/^([^:]*,[^:]*):/, (_, host: string) => `[${hostOf(host)}]:`);
}
