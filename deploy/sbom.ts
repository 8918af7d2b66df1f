/** Prints the packages of deno.lock as a CycloneDX 1.6 document: deno task sbom > sbom.json */

interface LockedPackage {
  /** `sha512-` and base64. */
  readonly integrity: string;
  readonly dependencies?: readonly string[];
  readonly optionalDependencies?: readonly string[];
  /** Set only for packages that are for certain systems. */
  readonly os?: readonly string[];
}

interface Lock {
  /** `npm:name@range` to a version. */
  readonly specifiers: Readonly<Record<string, string>>;
  readonly npm: Readonly<Record<string, LockedPackage>>;
}

/** `@scope/name@1.2.3`, followed by `_peer@4.5.6` if peers matter. */
function partsOf(id: string): { name: string; version: string } {
  const at = id.indexOf("@", 1);
  return { name: id.slice(0, at), version: id.slice(at + 1).split("_")[0]! };
}

function purlOf(id: string): string {
  const { name, version } = partsOf(id);
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function hexOf(integrity: string): string {
  const bytes = Uint8Array.from(atob(integrity.replace(/^sha512-/, "")), (c) => c.charCodeAt(0));
  return bytes.toHex();
}

/** The same lock file gives the same document. */
export async function billOfMaterials(lockText: string, app: { name: string; version: string }) {
  const { npm, specifiers } = JSON.parse(lockText) as Lock;
  const ids = Object.keys(npm).sort();
  const byName = Map.groupBy(ids, (id) => partsOf(id).name);
  // A dependency is listed by its name alone if the lock file has only one version of it.
  const idOf = (dependency: string) =>
    Object.hasOwn(npm, dependency) ? dependency : byName.get(dependency)![0]!;
  const root = `pkg:generic/${app.name.split("/").at(-1)}@${app.version}`;
  const direct = Object.entries(specifiers).map(([specifier, version]) =>
    purlOf(`${specifier.slice("npm:".length, specifier.lastIndexOf("@"))}@${version}`)
  );
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${await uuidOf(lockText + app.version)}`,
    version: 1,
    metadata: {
      component: { type: "application", "bom-ref": root, ...app, licenses: [licence("MIT")] },
    },
    components: ids.map((id) => ({
      type: "library",
      "bom-ref": purlOf(id),
      ...partsOf(id),
      purl: purlOf(id),
      scope: npm[id]!.os ? "optional" : "required",
      hashes: [{ alg: "SHA-512", content: hexOf(npm[id]!.integrity) }],
    })),
    dependencies: [
      { ref: root, dependsOn: direct.sort() },
      ...ids.map((id) => {
        const { dependencies = [], optionalDependencies = [] } = npm[id]!;
        const known = [...dependencies, ...optionalDependencies].map((one) => purlOf(idOf(one)));
        return { ref: purlOf(id), dependsOn: known.sort() };
      }),
    ],
  };
}

function licence(id: string) {
  return { license: { id } };
}

async function uuidOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const bytes = new Uint8Array(digest).subarray(0, 16);
  bytes[6] = bytes[6]! & 0x0f | 0x80;
  bytes[8] = bytes[8]! & 0x3f | 0x80;
  return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

if (import.meta.main) {
  const read = (name: string) => Deno.readTextFile(new URL(`../${name}`, import.meta.url));
  const { name, version } = JSON.parse(await read("deno.json"));
  const bill = await billOfMaterials(await read("deno.lock"), { name, version });
  const bytes = new TextEncoder().encode(JSON.stringify(bill, null, 2) + "\n");
  for (let sent = 0; sent < bytes.length;) sent += Deno.stdout.writeSync(bytes.subarray(sent));
}
