/** A real Mosquitto, on a port of its own. */

import type { KeyPair } from "./certificates.ts";
import { freePort, isListening } from "../ports.ts";
import { TestProcess } from "./process.ts";
import { TempDir } from "../temp_dir.ts";

export interface MosquittoOptions {
  /** Passwords by user name; anonymous clients are refused where it is given. */
  readonly users?: Readonly<Record<string, string>>;
  /** Adds a TLS listener. */
  readonly tls?: {
    readonly caPath: string;
    readonly server: KeyPair;
    readonly requireClientCertificate?: boolean;
  };
  /** Adds a WebSocket listener. */
  readonly websockets?: boolean;
  /** Keeps sessions, retained and queued messages over a restart, also over kill -9 in part. */
  readonly persistence?: boolean;
  /** Messages kept for a client that is away; 100,000 unless given. */
  readonly maxQueuedMessages?: number;
  /** QoS 1 and 2 messages in flight a client; 0 is no limit, and the default here. */
  readonly maxInflightMessages?: number;
  /** Further lines of the configuration. */
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

  /** Like start(), but the broker does not run yet: its port refuses connections. */
  static async prepare(options: MosquittoOptions = {}): Promise<Mosquitto> {
    return new Mosquitto(await TempDir.create("mosquitto-"), options);
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** The running process; fails while the broker is down. */
  get process(): TestProcess {
    if (!this.#process) throw new Error("Cannot use Mosquitto: it is stopped");
    return this.#process;
  }

  async start(): Promise<void> {
    if (this.#process) throw new Error("Cannot start Mosquitto: it runs");
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

  /** Ends the broker: SIGTERM saves its state where it is persistent, SIGKILL does not. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    const process = this.process;
    process.kill(signal);
    await process.waitForExit();
    this.#process = undefined;
  }

  /** Ends the broker and starts it on the same ports, with other users where they are given. */
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
      // As root it would give up its rights, and with them the folder of the test.
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
