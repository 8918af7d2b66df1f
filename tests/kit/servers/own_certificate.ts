/** A certificate for servers on 127.0.0.1, created once per test process. */

import { Certificates } from "./certificates.ts";

export interface OwnCertificate {
  /** PEM, like `cert` and `key`. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

let made: Promise<OwnCertificate> | undefined;

export function ownCertificate(): Promise<OwnCertificate> {
  return made ??= make();
}

async function make(): Promise<OwnCertificate> {
  await using certificates = await Certificates.create();
  const { certPath, keyPath } = await certificates.server();
  const [ca, cert, key] = await Promise.all(
    [certificates.caPath, certPath, keyPath].map((path) => Deno.readTextFile(path)),
  );
  return { ca: ca!, cert: cert!, key: key! };
}
