import assert from "node:assert/strict";
import { CertificateWatch, readKeyPair } from "../../../server/guard/certificate_watch.ts";
import { Certificates } from "../../kit/servers/certificates.ts";
import { eventually } from "../../kit/eventually.ts";

Deno.test("CertificateWatch reports a new matching pair, and each problem once", async () => {
  await using certificates = await Certificates.create();
  const files = await certificates.server("used");
  const first = readKeyPair(files);
  const second = readKeyPair(await certificates.server("second"));
  const seen: string[] = [];
  using _watch = new CertificateWatch(files, {
    used: first,
    everyMs: 10,
    onChange: (tls) => seen.push(tls.cert === first.cert ? "first" : "second"),
    onProblem: (name, message) => seen.push(`${name} ${message}`),
  });
  const step = async (change: () => Promise<void>, expected: RegExp) => {
    const before = seen.length;
    await change();
    await eventually(String(expected), () => expected.test(seen.slice(before).join("\n")));
  };
  await step(() => Deno.writeTextFile(files.certPath, second.cert), /^TLS_KEY_PATH .*belong/m);
  await step(() => Deno.writeTextFile(files.keyPath, second.key), /^second$/m);
  await step(
    () => Deno.writeTextFile(files.certPath, "-----BEGIN CERTIFICATE-----"),
    /^TLS_CERT_PATH names a file without/m,
  );
  await step(() => Deno.remove(files.certPath), /TLS_CERT_PATH .*(read|exist|find|file)/);
  await step(() => Deno.writeTextFile(files.certPath, first.cert), /^TLS_KEY_PATH/m);
  await step(() => Deno.writeTextFile(files.keyPath, first.key), /^first$/m);
  assert.equal(seen.filter((line) => line === "second" || line === "first").length, 2);
  assert.doesNotMatch(seen.join("\n"), /\/tmp|BEGIN/);
});
