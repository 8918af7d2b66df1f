/** Reads and checks the certificate files of a connection. */

import { createPrivateKey, X509Certificate } from "node:crypto";
import type { ConnectionOptions } from "node:tls";
import type { KafkaConfig } from "./settings.ts";

/**
 * The TLS options, or undefined if TLS is off. The files are read for every connection, so that the
 * next one uses a renewed certificate.
 * @throws {Error} that names the variable, if a file cannot be read or is not a certificate or key.
 */
export async function tlsOptions(config: KafkaConfig): Promise<ConnectionOptions | undefined> {
  if (!config.ssl) return undefined;
  const ca = await read("KAFKA_CA_PATH", config.caPath, checkCertificate);
  const cert = await read("KAFKA_CERT_PATH", config.certPath, checkCertificate);
  const key = await read("KAFKA_KEY_PATH", config.keyPath, checkKey);
  if (cert && key && !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    throw new Error("KAFKA_KEY_PATH is not the key of the certificate at KAFKA_CERT_PATH");
  }
  return { ...(ca && { ca: [ca] }), ...(cert && key && { cert, key }) };
}

async function read(
  variable: string,
  path: string | undefined,
  check: (pem: string) => void,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  let pem: string;
  try {
    pem = await Deno.readTextFile(path);
  } catch (error) {
    const why = error instanceof Error ? error.name : "unknown";
    throw new Error(`the file at ${variable} cannot be read: ${why}`);
  }
  try {
    check(pem);
  } catch {
    throw new Error(`the file at ${variable} cannot be used: not a PEM file of the right kind`);
  }
  return pem;
}

const checkCertificate = (pem: string) => void new X509Certificate(pem);
const checkKey = (pem: string) => void createPrivateKey(pem);
