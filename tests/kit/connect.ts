/** Bare sockets to a server on this machine, with TLS where it asks for it. */

export interface Address {
  readonly port: number;
  /** PEM; the server speaks TLS, with a certificate that this authority signed. */
  readonly ca?: string | undefined;
}

/** HTTP/1.1 is spoken on it: with TLS no other protocol is offered. */
export function connect({ port, ca }: Address): Promise<Deno.TcpConn | Deno.TlsConn> {
  const hostname = "127.0.0.1";
  return ca === undefined
    ? Deno.connect({ hostname, port })
    : Deno.connectTls({ hostname, port, caCerts: [ca] });
}
