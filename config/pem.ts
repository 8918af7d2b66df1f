/** Checks PEM files before TLS reads them, because TLS silently ignores what it cannot use. */

import { createPrivateKey, X509Certificate } from "node:crypto";

/** A problem, worded to follow the name of a setting; undefined if there is none. */
export type PemProblem = string | undefined;

/** The certificates of a file, as text. */
export function certificatesIn(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
}

/** Checks a certificate and those that follow it in its file; `now` in ms since 1970. */
export function certificateProblem(pem: string, now: number): PemProblem {
  const [own, ...chain] = certificatesIn(pem);
  if (own === undefined) return "names a file without a PEM certificate";
  const [certificate, ...others] = [own, ...chain].map(parse);
  if (!certificate || others.includes(undefined)) return "names a certificate that is damaged";
  return validityProblem(certificate, now);
}

/** Checks a private key, and that it belongs to its certificate, if there is one. */
export function keyProblem(pem: string, certificatePem: string | undefined): PemProblem {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) return "names a file without a PEM key";
  if (/ENCRYPTED/.test(pem)) return "names a key that is encrypted: remove its password first";
  const [own] = certificatesIn(certificatePem ?? "");
  let matches: boolean;
  try {
    const key = createPrivateKey(pem);
    matches = own === undefined || (parse(own)?.checkPrivateKey(key) ?? true);
  } catch {
    return "names a key that is damaged, or of an unsupported kind";
  }
  return matches ? undefined : "names a key that does not belong to the certificate";
}

/** Checks a file with trusted certificates; one valid certificate is enough. */
export function authorityProblem(pem: string, now: number): PemProblem {
  const all = certificatesIn(pem).map(parse);
  if (all.length === 0) return "names a file without a PEM certificate";
  if (all.includes(undefined)) return "names a certificate that is damaged";
  const problems = all.map((certificate) => validityProblem(certificate!, now));
  return problems.includes(undefined) ? undefined : problems[0];
}

function validityProblem({ validFrom, validTo }: X509Certificate, now: number): PemProblem {
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
  if (to < now) return `names a certificate that expired on ${day(to)}`;
  if (from > now) return `names a certificate that is not valid before ${day(from)}`;
  return undefined;
}

/** Why a file cannot be read, worded to follow the name of a setting. */
export function readProblem(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "names a file that does not exist";
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return "names a file without read permission: check its owner and permissions";
  }
  return `names a file that cannot be read (${error instanceof Error ? error.name : "unknown"})`;
}

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

const day = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace("T", " ") + " UTC";
