/** Looks whether the files of the certificate have changed. */

import { tlsProblems } from "../../config/tls_files.ts";
import type { KeyPair } from "./protocol.ts";

const EVERY_MS = 2_000;

export interface CertificateFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

export interface CertificateWatchOptions {
  /** What is in use when the watch begins. */
  readonly used: KeyPair;
  onChange(tls: KeyPair): void;
  /** What changed cannot be used: told once, by its variable. */
  onProblem(name: string, message: string): void;
  readonly everyMs?: number;
}

/**
 * Reads the files again and again: unlike a watch that sees links exchanged, too, as container
 * platforms do.
 */
export class CertificateWatch implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>;
  #seen: string;

  constructor(
    private readonly files: CertificateFiles,
    private readonly options: CertificateWatchOptions,
  ) {
    const { used, everyMs = EVERY_MS } = options;
    this.#seen = used.cert + used.key;
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    let tls: KeyPair | undefined;
    try {
      tls = readKeyPair(this.files);
    } catch {
      // Told below.
    }
    const seen = tls ? tls.cert + tls.key : "";
    if (seen === this.#seen) return;
    this.#seen = seen;
    const problems = tlsProblems(this.files);
    for (const { name, message } of problems) this.options.onProblem(name, message);
    if (tls && problems.length === 0) this.options.onChange(tls);
  }
}

/** @throws where one of them cannot be read. */
export function readKeyPair({ certPath, keyPath }: CertificateFiles): KeyPair {
  return { cert: Deno.readTextFileSync(certPath), key: Deno.readTextFileSync(keyPath) };
}
