/** The servers on which the routes run. Each passes the same tests. */

import type { Config } from "../../config/config.ts";
import { listen } from "../../server/listen.ts";
import type { AppHandler } from "../../routes/app.ts";
import { configOf } from "../kit/config.ts";
import { ownCertificate } from "../kit/servers/own_certificate.ts";
import { TempDir } from "../kit/temp_dir.ts";

/**
 * - `server`: what `main.ts` starts by default.
 * - `tls`: the same with TLS_CERT_PATH and TLS_KEY_PATH, which puts the guard in front of it.
 * - `fallback`: Deno's server, as `serve.ts` for `deno serve` and programs that embed Telecast use.
 */
export type ServerKind = "server" | "tls" | "fallback";

export const SERVER_KINDS: readonly ServerKind[] = ["server", "tls", "fallback"];

type Env = Readonly<Record<string, string>>;

/** A configuration and what it needs on the disk. */
export class ServerConfig implements AsyncDisposable {
  private constructor(
    readonly kind: ServerKind,
    readonly config: Config,
    /** PEM; undefined if connections are not encrypted. */
    readonly ca: string | undefined,
    private readonly files: TempDir | undefined,
  ) {}

  static async create(kind: ServerKind, env: Env): Promise<ServerConfig> {
    const own = kind === "tls" ? await ownCertificate() : undefined;
    const files = own && await TempDir.create("rig-");
    const tls = own && files && {
      TLS_CERT_PATH: await files.write("server.crt", own.cert),
      TLS_KEY_PATH: await files.write("server.key", own.key),
    };
    try {
      const config = configOf({ HOST: "127.0.0.1", PORT: "0", ...tls, ...env });
      return new ServerConfig(kind, config, own?.ca, files);
    } catch (error) {
      await files?.[Symbol.asyncDispose]();
      throw error;
    }
  }

  async listen(fetch: AppHandler): Promise<RunningServer> {
    if (this.kind !== "fallback") return await listen(this.config, fetch);
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, fetch);
    return { port: server.addr.port, shutdown: () => server.shutdown() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.files?.[Symbol.asyncDispose]();
  }
}

export interface RunningServer {
  readonly port: number;
  shutdown(): Promise<void>;
}
