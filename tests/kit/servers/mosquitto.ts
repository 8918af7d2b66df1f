/** A real Mosquitto on its own port. */

import type { KeyPair } from "./certificates.ts";
import { freePort, isListening } from "../ports.ts";
import { TestProcess } from "./process.ts";
import { TempDir } from "../temp_dir.ts";

export interface MosquittoOptions {
  /** Passwords by user name; if given, anonymous clients are refused. */
  readonly users?: Readonly<Record<string, string>>;
  /** Adds a TLS listener. */
  readonly tls?: {
    readonly caPath: string;
    readonly server: KeyPair;
    readonly requireClientCertificate?: boolean;
  };
  /** Adds a WebSocket listener. */
  readonly websockets?: boolean;
  /** Keeps sessions, retained and queued messages across a restart, and partly across kill -9. */
  readonly persistence?: boolean;
  /** Messages kept for a disconnected client; 100,000 by default. */
  readonly maxQueuedMessages?: number;
  /** QoS 1 and 2 messages in flight per client; 0, the default here, means no limit. */
  readonly maxInflightMessages?: number;
  /** Additional lines of the configuration. */
  readonly extra?: string;
  readonly port?: number;
}

export class Mosquitto implements AsyncDisposable {
  readonly port: number;
  readonly tlsPort: number | undefined;
  readonly wsPort: number | undefined;
  #process: TestProcess | undefined;
  #users: Readonly<Record<string, string>> | undefined;

  private constructor(private readonly dir: TempDir, private readonly options: MosquittoOptions) {
    this.port = options.port ?? freePort();
    this.tlsPort = options.tls && freePort();
    this.wsPort = options.websockets ? freePort() : undefined;
    this.#users = options.users;
  }

  static async start(options: MosquittoOptions = {}): Promise<Mosquitto> {
    const mosquitto = await Mosquitto.prepare(options);
    try {
      await mosquitto.start();
    } catch (error) {
      await mosquitto[Symbol.asyncDispose]();
      throw error;
    }
    return mosquitto;
  }

  /** Like start(), but the broker is not running yet: its port refuses connections. */
  static async prepare(options: MosquittoOptions = {}): Promise<Mosquitto> {
    return new Mosquitto(await TempDir.create("mosquitto-"), options);
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** The running process; throws while the broker is stopped. */
  get process(): TestProcess {
    if (!this.#process) throw new Error("Cannot use Mosquitto: it is stopped");
    return this.#process;
  }

  async start(): Promise<void> {
    if (this.#process) throw new Error("Cannot start Mosquitto: it is already running");
    const config = await this.dir.write("mosquitto.conf", await this.#config());
    this.#process = TestProcess.start("/usr/sbin/mosquitto", {
      args: ["-c", config],
      mustLive: true,
    });
    for (const port of [this.port, this.tlsPort, this.wsPort]) {
      if (port === undefined) continue;
      await this.#process.waitUntil(`listening on ${port}`, () => isListening(port));
    }
  }

  /** Ends the broker. With persistence, SIGTERM saves its state, SIGKILL does not. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    const process = this.process;
    process.kill(signal);
    await process.waitForExit();
    this.#process = undefined;
  }

  /** Restarts the broker on the same ports, with new users if given. */
  async restart(
    { signal = "SIGTERM", users }: {
      signal?: Deno.Signal;
      users?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<void> {
    if (this.#process) await this.stop(signal);
    if (users) this.#users = users;
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#process?.[Symbol.asyncDispose]();
    } finally {
      await this.dir[Symbol.asyncDispose]();
    }
  }

  async #config(): Promise<string> {
    const { tls, persistence, extra } = this.options;
    const lines = [
      // When started as root, it would drop its privileges and lose access to the test's folder.
      "user root",
      "log_dest stdout",
      "log_type error",
      "log_type warning",
      "log_type notice",
      "set_tcp_nodelay true",
      `max_queued_messages ${this.options.maxQueuedMessages ?? 100_000}`,
      `max_inflight_messages ${this.options.maxInflightMessages ?? 0}`,
      persistence ? `persistence true\npersistence_location ${this.dir.path}/` : "",
      await this.#authentication(),
      `listener ${this.port} 127.0.0.1`,
    ];
    if (tls) {
      lines.push(
        `listener ${this.tlsPort} 127.0.0.1`,
        `cafile ${tls.caPath}`,
        `certfile ${tls.server.certPath}`,
        `keyfile ${tls.server.keyPath}`,
        `require_certificate ${tls.requireClientCertificate ?? false}`,
      );
    }
    if (this.wsPort) lines.push(`listener ${this.wsPort} 127.0.0.1`, "protocol websockets");
    return [...lines, extra ?? ""].join("\n") + "\n";
  }

  async #authentication(): Promise<string> {
    if (!this.#users) return "allow_anonymous true";
    const text = Object.entries(this.#users).map(([user, password]) => `${user}:${password}\n`);
    const path = await this.dir.write("passwords", text.join(""));
    await TestProcess.run("/usr/bin/mosquitto_passwd", { args: ["-U", path] });
    return `allow_anonymous false\npassword_file ${path}`;
  }
}
