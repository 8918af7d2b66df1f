/** A TLS server in front of a plain broker that records what clients negotiate and send. */

import type { KeyPair } from "../../kit/servers/certificates.ts";
import { freePort } from "../../kit/ports.ts";

export class TlsFront implements AsyncDisposable {
  readonly port = freePort();
  /** The ALPN protocol of each connection; null for none. */
  readonly alpn: (string | null)[] = [];
  /** Connections whose handshake failed. */
  refused = 0;
  /** Bytes that clients sent inside TLS. */
  bytes = 0;
  readonly #listener: Deno.TlsListener;
  readonly #open = new Set<Deno.Conn>();
  readonly #run: Promise<void>;

  private constructor(cert: string, key: string, private readonly targetPort: number) {
    this.#listener = Deno.listenTls({
      hostname: "127.0.0.1",
      port: this.port,
      cert,
      key,
      alpnProtocols: ["x-amzn-mqtt-ca"],
    });
    this.#run = this.#accept();
  }

  static async start(server: KeyPair, targetPort: number): Promise<TlsFront> {
    const [cert, key] = await Promise.all([
      Deno.readTextFile(server.certPath),
      Deno.readTextFile(server.keyPath),
    ]);
    return new TlsFront(cert, key, targetPort);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#open) close(conn);
    await this.#run;
  }

  async #accept(): Promise<void> {
    const serving: Promise<void>[] = [];
    try {
      for await (const conn of this.#listener) serving.push(this.#serve(conn));
    } catch {
      // Closed.
    }
    await Promise.all(serving);
  }

  async #serve(client: Deno.TlsConn): Promise<void> {
    this.#open.add(client);
    try {
      this.alpn.push((await client.handshake()).alpnProtocol);
    } catch {
      this.refused++;
      return close(client);
    }
    const broker = await Deno.connect({ hostname: "127.0.0.1", port: this.targetPort });
    this.#open.add(broker);
    await Promise.all([
      pipe(client, broker, (count) => this.bytes += count),
      pipe(broker, client, () => {}),
    ]);
  }
}

async function pipe(from: Deno.Conn, to: Deno.Conn, count: (bytes: number) => void) {
  try {
    for await (const chunk of from.readable) {
      count(chunk.length);
      for (let rest = chunk; rest.length > 0;) rest = rest.subarray(await to.write(rest));
    }
  } catch {
    // One side is gone: close the other too.
  }
  close(from);
  close(to);
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // Already closed.
  }
}
