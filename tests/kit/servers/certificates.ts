/** A certificate authority for one test, and the certificates that it signs. */

import { TestProcess } from "./process.ts";
import { TempDir } from "../temp_dir.ts";

export interface KeyPair {
  readonly certPath: string;
  /** PKCS8, PEM. */
  readonly keyPath: string;
}

export interface CertificateOptions {
  readonly algorithm?: "rsa" | "ec";
  /** `subjectAltName` of a server; this machine's names by default. */
  readonly names?: string;
  /** Validity in days; a negative number makes an expired certificate. */
  readonly days?: number;
}

export class Certificates implements AsyncDisposable {
  private constructor(private readonly dir: TempDir) {}

  static async create(algorithm: "rsa" | "ec" = "ec"): Promise<Certificates> {
    const certificates = new Certificates(await TempDir.create("certificates-"));
    await certificates.#key("ca", algorithm);
    await certificates.#openssl(
      ...["req", "-x509", "-new", "-key", "ca.key", "-out", "ca.crt", "-days", "30"],
      ...["-subj", "/CN=Telecast test authority"],
      ...["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"],
    );
    return certificates;
  }

  get caPath(): string {
    return this.dir.join("ca.crt");
  }

  server(name = "server", options: CertificateOptions = {}): Promise<KeyPair> {
    const names = options.names ?? "DNS:localhost,IP:127.0.0.1";
    return this.#sign(name, options, `subjectAltName=${names}\nextendedKeyUsage=serverAuth\n`);
  }

  /** `name` is also the common name. */
  client(name = "client", options: CertificateOptions = {}): Promise<KeyPair> {
    return this.#sign(name, options, "extendedKeyUsage=clientAuth\n");
  }

  /** Writes the key also as PKCS1 (RSA) or SEC1 (EC), the formats of older tools. */
  async traditionalKey(pair: KeyPair, algorithm: "rsa" | "ec"): Promise<string> {
    const path = pair.keyPath.replace(/\.key$/, ".traditional.key");
    const traditional = algorithm === "rsa" ? ["-traditional"] : [];
    await this.#openssl(algorithm, "-in", pair.keyPath, ...traditional, "-out", path);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dir[Symbol.asyncDispose]();
  }

  async #sign(
    name: string,
    { algorithm = "ec", days = 30 }: CertificateOptions,
    extensions: string,
  ): Promise<KeyPair> {
    await this.#key(name, algorithm);
    await this.dir.write(`${name}.ext`, extensions);
    await this.#openssl(
      ...["req", "-new", "-key", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`],
    );
    await this.#openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.crt", "-CAkey", "ca.key"],
      ...["-CAcreateserial", "-out", `${name}.crt`, "-extfile", `${name}.ext`, "-days", `${days}`],
    );
    return { certPath: this.dir.join(`${name}.crt`), keyPath: this.dir.join(`${name}.key`) };
  }

  #key(name: string, algorithm: "rsa" | "ec"): Promise<string> {
    const kind = algorithm === "rsa"
      ? ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
      : ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    return this.#openssl("genpkey", ...kind, "-out", `${name}.key`);
  }

  #openssl(...args: string[]): Promise<string> {
    return TestProcess.run("openssl", { args, cwd: this.dir.path });
  }
}
