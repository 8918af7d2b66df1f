/** Runs the proxies of deploy/proxies with the files there; only ports and paths are replaced. */

import type { Certificates } from "./certificates.ts";
import { freePort, isListening } from "../ports.ts";
import { TestProcess } from "./process.ts";
import { TempDir } from "../temp_dir.ts";

export type ProxyKind = "nginx" | "haproxy" | "caddy";

export interface ReverseProxyOptions {
  readonly certificates: Certificates;
  /** Ports of the instances behind it. */
  readonly ports: readonly number[];
  /** Replaces the 75 s after which a silent stream is cut. */
  readonly quietSeconds?: number;
  /** Replaces the 10 s that a client has to send its request. */
  readonly requestSeconds?: number;
}

interface Places {
  readonly dir: string;
  readonly plain: number;
  readonly secure: number;
  readonly cert: string;
  readonly key: string;
  readonly ports: readonly number[];
}

interface Form {
  readonly command: string;
  readonly file: string;
  /** Pairs of a text in the file and its replacement in a test. */
  readonly replace: (places: Places) => readonly (readonly [string, string])[];
  /** If the file is only a fragment: the main file, which includes it from `path`. */
  readonly main?: (path: string, dir: string) => string;
  readonly args: (path: string) => string[];
  /** Makes the proxy reload its file; undefined if no test needs it. */
  readonly reload?: (process: TestProcess, path: string, dir: string) => Promise<void>;
}

const FORMS: Readonly<Record<ProxyKind, Form>> = {
  nginx: {
    command: "/usr/sbin/nginx",
    file: "nginx.conf",
    replace: ({ plain, secure, cert, key, ports }) => [
      ["listen 80;", `listen 127.0.0.1:${plain};`],
      ["listen 443 ssl", `listen 127.0.0.1:${secure} ssl`],
      ["/etc/ssl/telecast.crt", cert],
      ["/etc/ssl/telecast.key", key],
      ["server 127.0.0.1:8000;", ports.map((port) => `server 127.0.0.1:${port};`).join("\n")],
    ],
    main: (path, dir) => `
      daemon off; pid ${dir}/pid; error_log stderr; worker_processes 1; events {}
      http { access_log off; client_body_temp_path ${dir}; proxy_temp_path ${dir}; include ${path}; }
    `,
    args: (path) => ["-e", "stderr", "-c", path],
    reload: (process) => {
      process.reload();
      return Promise.resolve();
    },
  },
  haproxy: {
    command: "/usr/sbin/haproxy",
    file: "haproxy.cfg",
    replace: ({ plain, secure, cert, ports }) => [
      ["maxconn 20000", "maxconn 200"],
      ["bind :80", `bind 127.0.0.1:${plain}`],
      ["bind :443", `bind 127.0.0.1:${secure}`],
      ["/etc/ssl/telecast.pem", `${cert}.pem`],
      [
        "server one 127.0.0.1:8000",
        ports.map((port, i) => `server s${i} 127.0.0.1:${port}`).join("\n    "),
      ],
    ],
    args: (path) => ["-db", "-f", path],
  },
  caddy: {
    command: "/usr/bin/caddy",
    file: "Caddyfile",
    replace: ({ dir, plain, secure, cert, key, ports }) => [
      [
        "{\n\tservers",
        `{\n\tadmin unix/${dir}/admin\n\thttp_port ${plain}\n\thttps_port ${secure}\n\tservers`,
      ],
      ["telecast.example.com {", `localhost, 127.0.0.1 {\n\tbind 127.0.0.1\n\ttls ${cert} ${key}`],
      [
        "reverse_proxy 127.0.0.1:8000",
        `reverse_proxy ${ports.map((port) => `127.0.0.1:${port}`).join(" ")}`,
      ],
    ],
    args: (path) => ["run", "--adapter", "caddyfile", "--config", path],
    reload: async (_process, path, dir) => {
      const address = ["--address", `unix/${dir}/admin`];
      const args = ["reload", "--force", "--adapter", "caddyfile", "--config", path, ...address];
      await TestProcess.run("/usr/bin/caddy", { args, env: { HOME: dir } });
    },
  },
};

export class ReverseProxy implements AsyncDisposable {
  private constructor(
    readonly plainPort: number,
    readonly port: number,
    readonly process: TestProcess,
    private readonly form: Form,
    private readonly path: string,
    private readonly dir: TempDir,
  ) {}

  static async start(kind: ProxyKind, options: ReverseProxyOptions): Promise<ReverseProxy> {
    const form = FORMS[kind];
    const dir = await TempDir.create(`${kind}-`);
    const plain = freePort();
    const secure = freePort();
    const path = await dir.write(form.file, await configuration(form, dir, plain, secure, options));
    const main = form.main ? await dir.write("main.conf", form.main(path, dir.path)) : path;
    const process = TestProcess.start(form.command, {
      name: kind,
      args: form.args(main),
      env: { HOME: dir.path, XDG_DATA_HOME: dir.path, XDG_CONFIG_HOME: dir.path },
    });
    const proxy = new ReverseProxy(plain, secure, process, form, path, dir);
    try {
      await process.waitUntil(
        "listening",
        async () => await isListening(plain) && await isListening(secure),
      );
    } catch (error) {
      await proxy[Symbol.asyncDispose]();
      throw error;
    }
    return proxy;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  /** Reloads the proxy's file, as its operators do. */
  async reload(): Promise<void> {
    await this.form.reload!(this.process, this.path, this.dir.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // On SIGTERM, HAProxy and Caddy wait for streams; on SIGKILL, nginx's worker would live on.
    this.process.kill(this.process.name === "nginx" ? "SIGTERM" : "SIGKILL");
    await this.process[Symbol.asyncDispose]();
    await this.dir[Symbol.asyncDispose]();
  }
}

async function configuration(
  { file, replace }: Form,
  dir: TempDir,
  plain: number,
  secure: number,
  { certificates, ports, quietSeconds, requestSeconds }: ReverseProxyOptions,
): Promise<string> {
  const { certPath, keyPath } = await certificates.server(`proxy-${secure}`);
  const [cert, key] = [dir.join("server.crt"), dir.join("server.key")];
  await Deno.copyFile(certPath, cert);
  await Deno.copyFile(keyPath, key);
  await dir.write("server.crt.pem", await Deno.readTextFile(cert) + await Deno.readTextFile(key));
  let text = await Deno.readTextFile(new URL(`../../../deploy/proxies/${file}`, import.meta.url));
  const changes = [...replace({ dir: dir.path, plain, secure, cert, key, ports })];
  if (quietSeconds !== undefined) changes.push(["75s", `${quietSeconds}s`]);
  if (requestSeconds !== undefined) changes.push(["10s", `${requestSeconds}s`]);
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`deploy/proxies/${file} no longer has: ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}
