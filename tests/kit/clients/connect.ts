/** Bare sockets to a server on this machine, with TLS where it asks for it. */

export interface Address {
  readonly port: number;
  /** PEM; the server speaks TLS, with a certificate that this authority signed. */
  readonly ca?: string | undefined;
}

/** HTTP/1.1 is spoken on it: with TLS no other protocol is offered. */
export async function connect({ port, ca }: Address): Promise<Deno.TcpConn | Deno.TlsConn> {
  const hostname = "127.0.0.1";
  if (ca !== undefined) return await Deno.connectTls({ hostname, port, caCerts: [ca] });
  const conn = await Deno.connect({ hostname, port });
  // Bytes that a test writes one by one would wait for each other.
  conn.setNoDelay(true);
  return conn;
}
