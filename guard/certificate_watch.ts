/** Looks whether the files of the certificate have changed. */

import { getLogger } from "../log.ts";
import { tlsProblems } from "../tls_files.ts";
import type { KeyPair } from "./protocol.ts";

const log = getLogger("guard");

export interface CertificateFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

/**
 * Reads the files every `everyMs`: unlike a watch that sees links exchanged, too, as container
 * platforms do. What is damaged is told once by its variable, and the certificate of before stays.
 */
export class CertificateWatch implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>;
  #seen: string;

  constructor(
    private readonly files: CertificateFiles,
    used: KeyPair,
    private readonly onChange: (tls: KeyPair) => void,
    everyMs = 2_000,
  ) {
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
    for (const { name, message } of problems) {
      log.error("{name} {message}: the certificate of before stays in use", { name, message });
    }
    if (tls && problems.length === 0) this.onChange(tls);
  }
}

/** @throws where one of them cannot be read. */
export function readKeyPair({ certPath, keyPath }: CertificateFiles): KeyPair {
  return { cert: Deno.readTextFileSync(certPath), key: Deno.readTextFileSync(keyPath) };
}
