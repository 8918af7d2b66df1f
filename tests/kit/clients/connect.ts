/** Raw sockets to a server on this machine, with TLS if it requires it. */

export interface Address {
  readonly port: number;
  /** PEM; set if the server uses TLS with a certificate that this authority signed. */
  readonly ca?: string | undefined;
}

/** The connection uses HTTP/1.1: TLS offers no other protocol. */
export async function connect({ port, ca }: Address): Promise<Deno.TcpConn | Deno.TlsConn> {
  const hostname = "127.0.0.1";
  if (ca !== undefined) return await Deno.connectTls({ hostname, port, caCerts: [ca] });
  const conn = await Deno.connect({ hostname, port });
  // Without this, bytes that a test writes one by one would wait for each other's ACK.
  conn.setNoDelay(true);
  return conn;
}
