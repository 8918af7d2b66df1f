/** A Mosquitto that requires what AWS IoT Core requires: certificates and a policy. */

import type { AwsIotServiceConfig } from "../../../ingest/aws_iot/service.ts";
import { Certificates } from "../../kit/servers/certificates.ts";
import { Mosquitto } from "../../kit/servers/mosquitto.ts";
import { TestProcess } from "../../kit/servers/process.ts";
import { TempDir } from "../../kit/temp_dir.ts";

export const DEVICE = "bombercat-device-001";

const PLUGIN = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so";

/** The policy of the documentation: allows publishing to two topics and receiving commands. */
const POLICY = [
  { acltype: "publishClientSend", topic: "bombercat/telemetry", allow: true },
  { acltype: "publishClientSend", topic: "bombercat/events", allow: true },
  { acltype: "subscribePattern", topic: "bombercat/commands/#", allow: true },
  { acltype: "publishClientReceive", topic: "bombercat/commands/#", allow: true },
];
const COMMANDS = { acltype: "publishClientSend", topic: "bombercat/commands/#", allow: true };
const EVERYTHING = ["publishClientSend", "publishClientReceive", "subscribePattern"].map((
  acltype,
) => ({ acltype, topic: "#", allow: true }));

export interface AwsBrokerOptions {
  /** Common names of the certificates that the policy applies to. */
  readonly things?: readonly string[];
  /** The policy also allows publishing commands. */
  readonly commands?: boolean;
  readonly algorithm?: "rsa" | "ec";
  /** Does not start it yet. */
  readonly down?: boolean;
  readonly maxQueuedMessages?: number;
}

export class AwsBroker implements AsyncDisposable {
  private constructor(
    readonly mosquitto: Mosquitto,
    readonly certificates: Certificates,
    private readonly dir: TempDir,
  ) {}

  static async start(options: AwsBrokerOptions = {}): Promise<AwsBroker> {
    const dir = await TempDir.create("aws-");
    const certificates = await Certificates.create(options.algorithm);
    const server = await certificates.server("server", { algorithm: options.algorithm ?? "ec" });
    const caPath = await listSigningAuthority(certificates, dir);
    const crlPath = dir.join("crl.pem");
    const policy = await dir.write("policy.json", JSON.stringify(policyOf(options)));
    const mosquitto = await Mosquitto.prepare({
      tls: { caPath, server, requireClientCertificate: true },
      ...(options.maxQueuedMessages && { maxQueuedMessages: options.maxQueuedMessages }),
      extra: [
        "use_identity_as_username true",
        // Mosquitto buffers its output to stdout.
        "log_dest stderr",
        `crlfile ${crlPath}`,
        "clientid_prefixes bombercat-",
        `plugin ${PLUGIN}`,
        `plugin_opt_config_file ${policy}`,
      ].join("\n"),
    });
    const broker = new AwsBroker(mosquitto, certificates, dir);
    await broker.revoke();
    if (!options.down) await mosquitto.start();
    return broker;
  }

  get endpoint(): string {
    return `localhost:${this.mosquitto.tlsPort}`;
  }

  /** The configuration of a service for the thing; creates its certificate. */
  async thing(
    name: string = DEVICE,
    options: { algorithm?: "rsa" | "ec"; traditional?: boolean; days?: number } = {},
  ): Promise<AwsIotServiceConfig> {
    const { algorithm = "ec", traditional, days } = options;
    const pair = await this.certificates.client(name, {
      algorithm,
      ...(days !== undefined && { days }),
    });
    return {
      endpoint: this.endpoint,
      certPath: pair.certPath,
      keyPath: traditional ? await this.certificates.traditionalKey(pair, algorithm) : pair.keyPath,
      caPath: this.certificates.caPath,
      clientId: name,
    };
  }

  /** Adds certificates to the broker's revocation list, which the broker reads when it starts. */
  async revoke(...certPaths: string[]): Promise<void> {
    const authority = this.certificates.caPath;
    const config = await this.dir.write(
      "ca.cnf",
      [
        ...["[ca]", "default_ca = own", "[own]"],
        ...[`database = ${this.dir.join("index.txt")}`, "default_md = sha256"],
        ...["default_crl_days = 30", `certificate = ${authority}`],
        `private_key = ${authority.replace(/\.crt$/, ".key")}`,
      ].join("\n"),
    );
    await Deno.writeTextFile(this.dir.join("index.txt"), "", { append: true });
    const openssl = (...args: string[]) =>
      TestProcess.run("openssl", { args: ["ca", "-config", config, ...args] });
    for (const path of certPaths) await openssl("-revoke", path);
    await openssl("-gencrl", "-out", this.dir.join("crl.pem"));
  }

  /** Subscribes to the topic without restrictions. */
  async subscribe(topic: string): Promise<Subscriber> {
    const subscriber = Subscriber.start(this.mosquitto.port, topic);
    await subscriber.ready();
    return subscriber;
  }

  /** Publishes without restrictions. */
  async publish(topic: string, payload: string): Promise<void> {
    await TestProcess.run("mosquitto_pub", {
      args: [
        ...["-h", "127.0.0.1", "-p", String(this.mosquitto.port), "-q", "1"],
        ...["-i", `bombercat-test-${crypto.randomUUID().slice(0, 8)}`, "-t", topic, "-s"],
      ],
      input: payload,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.mosquitto[Symbol.asyncDispose]();
    } finally {
      await this.certificates[Symbol.asyncDispose]();
      await this.dir[Symbol.asyncDispose]();
    }
  }
}

/** mosquitto_sub, which prints a line for each message. */
export class Subscriber implements AsyncDisposable {
  private constructor(private readonly process: TestProcess) {}

  static start(port: number, topic: string): Subscriber {
    return new Subscriber(TestProcess.start("stdbuf", {
      name: "mosquitto_sub",
      args: [
        // Without line buffering, a pipe would delay the line about the subscription.
        ...["-oL", "mosquitto_sub"],
        ...["-h", "127.0.0.1", "-p", String(port), "-V", "mqttv5", "-q", "0", "-d"],
        ...["-i", `bombercat-sub-${crypto.randomUUID().slice(0, 8)}`],
        // Prints the MQTT 5 content type, and the payload in hex because it may be binary.
        ...["-t", topic, "-F", "MESSAGE %t %C. %x"],
      ],
    }));
  }

  async ready(): Promise<void> {
    await this.process.waitForOutput(/Subscribed \(mid|SUBACK/);
  }

  get messages(): { topic: string; contentType: string; bytes: Uint8Array; payload: string }[] {
    const lines = this.process.stdout.split("\n").slice(0, -1);
    return lines.flatMap((line) => {
      const [, topic, contentType, hex] = /^MESSAGE (\S+) (.*)\. ([0-9a-f]*)$/.exec(line) ?? [];
      if (topic === undefined) return [];
      const bytes = Uint8Array.fromHex(hex!);
      return [{
        topic,
        contentType: contentType!,
        bytes,
        payload: new TextDecoder().decode(bytes),
      }];
    });
  }

  get payloads(): string[] {
    return this.messages.map(({ payload }) => payload);
  }

  async waitForMessages(count: number, timeoutMs = 15_000): Promise<string[]> {
    await this.process.waitUntil(
      `printing ${count} messages`,
      () => this.messages.length >= count,
      { timeoutMs },
    );
    return this.payloads;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }
}

/** A copy of the test's authority that may also sign revocation lists. */
async function listSigningAuthority({ caPath }: Certificates, dir: TempDir): Promise<string> {
  const path = dir.join("authority.crt");
  await TestProcess.run("openssl", {
    args: [
      ...["req", "-x509", "-new", "-key", caPath.replace(/\.crt$/, ".key"), "-out", path],
      ...["-days", "30", "-subj", "/CN=Telecast test authority"],
      ...["-addext", "basicConstraints=critical,CA:TRUE"],
      ...["-addext", "keyUsage=keyCertSign,cRLSign"],
    ],
  });
  return path;
}

function policyOf({ things = [DEVICE], commands = false }: AwsBrokerOptions) {
  const roles = [
    { rolename: "device", acls: commands ? [...POLICY, COMMANDS] : POLICY },
    { rolename: "test", acls: EVERYTHING },
  ];
  return {
    defaultACLAccess: {
      publishClientSend: false,
      publishClientReceive: false,
      subscribe: false,
      unsubscribe: true,
    },
    roles,
    groups: [{ groupname: "anonymous", roles: [{ rolename: "test" }] }],
    anonymousGroup: "anonymous",
    clients: things.map((username) => ({ username, roles: [{ rolename: "device" }] })),
  };
}
