/** Checks the files of the program's own TLS when it starts. */

import { certificateProblem, keyProblem, type PemProblem, readProblem } from "./pem.ts";

/** The problems of the files, each with the name of its variable, never with its path. */
export function tlsProblems(
  { certPath, keyPath }: { readonly certPath: string; readonly keyPath: string },
): { name: string; message: string }[] {
  const problems: { name: string; message: string }[] = [];
  const check = (name: string, path: string, problemOf: (pem: string) => PemProblem) => {
    let pem: string | undefined;
    let message: PemProblem;
    try {
      pem = Deno.readTextFileSync(path);
      message = problemOf(pem);
    } catch (error) {
      message = readProblem(error);
    }
    if (message !== undefined) problems.push({ name, message });
    return pem;
  };
  const cert = check("TLS_CERT_PATH", certPath, (pem) => certificateProblem(pem, Date.now()));
  check("TLS_KEY_PATH", keyPath, (pem) => keyProblem(pem, cert));
  return problems;
}
