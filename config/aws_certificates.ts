/** Checks the certificate files when the program starts. */

import { authorityProblem, certificateProblem, keyProblem, readProblem } from "./pem.ts";

export interface CertificatePaths {
  readonly certPath: string;
  readonly keyPath: string;
  readonly caPath: string;
}

/** The problems of the files, each with the name of its variable, never with its path. */
export function certificateProblems(
  { certPath, keyPath, caPath }: CertificatePaths,
  now: number = Date.now(),
): { name: string; message: string }[] {
  const problems: { name: string; message: string }[] = [];
  const check = (name: string, path: string, problemOf: (pem: string) => string | undefined) => {
    let pem: string | undefined;
    let message: string | undefined;
    try {
      pem = Deno.readTextFileSync(path);
      message = problemOf(pem);
    } catch (error) {
      message = readProblem(error);
    }
    if (message !== undefined) problems.push({ name, message });
    return pem;
  };
  const cert = check("AWS_IOT_CERT_PATH", certPath, (pem) => certificateProblem(pem, now));
  check("AWS_IOT_KEY_PATH", keyPath, (pem) => keyProblem(pem, cert));
  check("AWS_IOT_CA_PATH", caPath, (pem) => authorityProblem(pem, now));
  return problems;
}
