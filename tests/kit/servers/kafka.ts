/** A real Apache Kafka, one node in KRaft mode, from the jars that install.sh downloads. */

import type { KeyPair } from "./certificates.ts";
import { freePort } from "../ports.ts";
import { TestProcess } from "./process.ts";
import { TempDir } from "../temp_dir.ts";

export interface KafkaOptions {
  /** Passwords by user name, for PLAIN and SCRAM; adds a SASL_PLAINTEXT listener. */
  readonly users?: Readonly<Record<string, string>>;
  /** Adds an SSL listener. */
  readonly tls?: {
    readonly caPath: string;
    readonly server: KeyPair;
    readonly requireClientCertificate?: boolean;
  };
  /** Partitions of auto-created topics; 3 by default. */
  readonly partitions?: number;
  /** Additional properties. */
  readonly extra?: Readonly<Record<string, string | number>>;
}

export interface KafkaRecord {
  readonly key?: string;
  /** Null is a tombstone. */
  readonly value: string | null;
}

export type Codec = "none" | "gzip" | "snappy" | "lz4" | "zstd";

const JARS = ".cache/telecast/kafka";

export class Kafka implements AsyncDisposable {
  readonly port = freePort();
  readonly saslPort: number | undefined;
  readonly sslPort: number | undefined;
  readonly #controllerPort = freePort();
  #users: Readonly<Record<string, string>>;
  #process: TestProcess | undefined;

  private constructor(private readonly dir: TempDir, private readonly options: KafkaOptions) {
    this.#users = options.users ?? {};
    this.saslPort = options.users && freePort();
    this.sslPort = options.tls && freePort();
  }

  static async start(options: KafkaOptions = {}): Promise<Kafka> {
    const kafka = await Kafka.prepare(options);
    try {
      await kafka.start();
    } catch (error) {
      await kafka[Symbol.asyncDispose]();
      throw error;
    }
    return kafka;
  }

  /** Like start(), but the broker is not running yet: its ports refuse connections. */
  static async prepare(options: KafkaOptions = {}): Promise<Kafka> {
    const kafka = new Kafka(await TempDir.create("kafka-"), options);
    try {
      await kafka.#writeProperties();
      await kafka.#format();
    } catch (error) {
      await kafka[Symbol.asyncDispose]();
      throw error;
    }
    return kafka;
  }

  /** The PLAINTEXT listener. */
  get bootstrap(): string {
    return `127.0.0.1:${this.port}`;
  }

  get saslBootstrap(): string {
    return `127.0.0.1:${this.saslPort}`;
  }

  get sslBootstrap(): string {
    return `localhost:${this.sslPort}`;
  }

  get process(): TestProcess {
    if (!this.#process) throw new Error("Cannot use Kafka: it is stopped");
    return this.#process;
  }

  async start(): Promise<void> {
    if (this.#process) throw new Error("Cannot start Kafka: it is already running");
    this.#process = TestProcess.start("java", {
      name: "kafka",
      args: [...await javaArgs(), "kafka.Kafka", this.#propertiesPath],
      mustLive: true,
    });
    await this.#process.waitForOutput("Kafka Server started", { timeoutMs: 60_000 });
  }

  async stop(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    const process = this.process;
    process.kill(signal);
    await process.waitForExit({ timeoutMs: 30_000 });
    this.#process = undefined;
  }

  /** Restarts the broker on the same ports and data; `users` changes only PLAIN passwords. */
  async restart(
    { signal = "SIGKILL", users }: {
      signal?: Deno.Signal;
      users?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<void> {
    if (this.#process) await this.stop(signal);
    if (users) this.#users = users;
    await this.#writeProperties();
    await this.start();
  }

  /** Produces records with kcat, in order, to one partition or by key. */
  async produce(
    topic: string,
    records: readonly KafkaRecord[],
    { codec = "none", partition }: { codec?: Codec; partition?: number } = {},
  ): Promise<void> {
    const SEPARATOR = "\x01";
    const END = "\x02";
    const path = await this.dir.write(
      `produce-${crypto.randomUUID()}`,
      records.map(({ key, value }) => `${key ?? ""}${SEPARATOR}${value ?? ""}${END}`).join(""),
    );
    await TestProcess.run("kcat", {
      args: [
        ...["-P", "-b", this.bootstrap, "-t", topic, "-z", codec, "-Z", "-l"],
        ...["-K", SEPARATOR, "-D", END],
        ...(partition === undefined ? [] : ["-p", String(partition)]),
        path,
      ],
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // An orderly shutdown takes seconds, and this broker is not needed again.
      this.#process?.kill("SIGKILL");
      await this.#process?.[Symbol.asyncDispose]();
    } finally {
      await this.dir[Symbol.asyncDispose]();
    }
  }

  get #propertiesPath(): string {
    return this.dir.join("server.properties");
  }

  async #format(): Promise<void> {
    const scram = ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) =>
      Object.entries(this.#users).flatMap(([name, password]) => [
        "--add-scram",
        `${mechanism}=[name=${name},password=${password}]`,
      ])
    );
    await TestProcess.run("java", {
      name: "kafka-storage",
      args: [
        ...await javaArgs(),
        ...["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ"],
        ...["-c", this.#propertiesPath, ...scram],
      ],
    });
  }

  async #writeProperties(): Promise<void> {
    const lines = Object.entries(await this.#properties()).map(([key, value]) => `${key}=${value}`);
    await this.dir.write("server.properties", lines.join("\n") + "\n");
  }

  async #properties(): Promise<Record<string, string | number>> {
    const { tls, partitions, extra } = this.options;
    const listeners = [`PLAINTEXT://${this.bootstrap}`];
    if (this.saslPort) listeners.push(`SASL_PLAINTEXT://${this.saslBootstrap}`);
    if (this.sslPort) listeners.push(`SSL://${this.sslBootstrap}`);
    const controller = `127.0.0.1:${this.#controllerPort}`;
    return {
      "process.roles": "broker,controller",
      "node.id": 1,
      "controller.quorum.voters": `1@${controller}`,
      "controller.listener.names": "CONTROLLER",
      "inter.broker.listener.name": "PLAINTEXT",
      "listeners": [...listeners, `CONTROLLER://${controller}`].join(","),
      "advertised.listeners": listeners.join(","),
      "listener.security.protocol.map":
        "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,CONTROLLER:PLAINTEXT",
      "log.dirs": this.dir.join("data"),
      "num.partitions": partitions ?? 3,
      "auto.create.topics.enable": "true",
      "offsets.topic.replication.factor": 1,
      "offsets.topic.num.partitions": 4,
      "transaction.state.log.replication.factor": 1,
      "transaction.state.log.min.isr": 1,
      "share.coordinator.state.topic.replication.factor": 1,
      "share.coordinator.state.topic.min.isr": 1,
      "group.initial.rebalance.delay.ms": 0,
      // A killed broker can rejoin only after its old session has expired.
      "broker.session.timeout.ms": 2000,
      "broker.heartbeat.interval.ms": 500,
      ...(this.saslPort ? this.#saslProperties() : {}),
      ...(tls ? await this.#tlsProperties(tls) : {}),
      ...extra,
    };
  }

  #saslProperties(): Record<string, string> {
    const security = "org.apache.kafka.common.security";
    const users = Object.entries(this.#users).map(([name, word]) => `user_${name}="${word}"`);
    const listener = "listener.name.sasl_plaintext";
    return {
      "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
      [`${listener}.plain.sasl.jaas.config`]: `${security}.plain.PlainLoginModule required ${
        users.join(" ")
      };`,
      [`${listener}.scram-sha-256.sasl.jaas.config`]:
        `${security}.scram.ScramLoginModule required;`,
      [`${listener}.scram-sha-512.sasl.jaas.config`]:
        `${security}.scram.ScramLoginModule required;`,
    };
  }

  async #tlsProperties(tls: NonNullable<KafkaOptions["tls"]>): Promise<Record<string, string>> {
    const paths = [tls.server.keyPath, tls.server.certPath];
    const pem = await Promise.all(paths.map((path) => Deno.readTextFile(path)));
    return {
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": await this.dir.write("keystore.pem", pem.join("")),
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": tls.caPath,
      "ssl.client.auth": tls.requireClientCertificate ? "required" : "none",
    };
  }
}

async function javaArgs(): Promise<string[]> {
  const jars = `${Deno.env.get("HOME")}/${JARS}`;
  const installed = await Deno.stat(jars).then(({ isDirectory }) => isDirectory, () => false);
  if (!installed) {
    throw new Error(`Cannot find Kafka in ${jars}. Run: bash tests/integration/install.sh`);
  }
  const log = "-Dorg.slf4j.simpleLogger";
  return [
    ...["-Xmx256m", "-Xms64m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
    ...[`${log}.defaultLogLevel=warn`, `${log}.log.kafka.server.KafkaRaftServer=info`],
    ...["-cp", `${jars}/*`],
  ];
}
