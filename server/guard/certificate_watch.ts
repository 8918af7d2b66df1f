/** Detects changes to the certificate files. */

import { tlsProblems } from "../../config/tls_files.ts";
import type { KeyPair } from "./protocol.ts";

const EVERY_MS = 2_000;

export interface CertificateFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

export interface CertificateWatchOptions {
  /** The pair in use when the watch starts. */
  readonly used: KeyPair;
  onChange(tls: KeyPair): void;
  /** The changed files cannot be used. Reported once, by variable name. */
  onProblem(name: string, message: string): void;
  readonly everyMs?: number;
}

/**
 * Polls the files. Unlike a file system watch, this also detects replaced links, which container
 * platforms use.
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
      // Reported below.
    }
    const seen = tls ? tls.cert + tls.key : "";
    if (seen === this.#seen) return;
    this.#seen = seen;
    const problems = tlsProblems(this.files);
    for (const { name, message } of problems) this.options.onProblem(name, message);
    if (tls && problems.length === 0) this.options.onChange(tls);
  }
}

/** @throws if one of them cannot be read. */
export function readKeyPair({ certPath, keyPath }: CertificateFiles): KeyPair {
  return { cert: Deno.readTextFileSync(certPath), key: Deno.readTextFileSync(keyPath) };
}
