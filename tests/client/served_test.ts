import assert from "node:assert/strict";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { dashboardRoutes } from "../../routes/pages/assets.ts";
import { pageFiles } from "../../routes/pages/page_files.ts";
import type { TelecastConstructor } from "../../client/types.ts";
import { StreamServer } from "./stream_server.ts";

const app = dashboardRoutes();

async function text(path: string): Promise<string> {
  const response = await app.request(path);
  assert.equal(response.status, 200, path);
  return await response.text();
}

Deno.test("/client.js is one module that works by itself", async () => {
  const script = await text("/client.js");
  assert.equal(/^import\b/m.test(script), false);
  const { Telecast }: { Telecast: TelecastConstructor } = await import(
    `data:text/javascript,${encodeURIComponent(script)}`
  );
  await using server = new StreamServer();
  await using client = new Telecast<number>(server.url, { deviceIds: ["A"] });
  const messages = client[Symbol.asyncIterator]();
  await server.stream(0);
  server.publish(42);
  assert.equal((await messages.next()).value.data, 42);
});

Deno.test("/client.d.ts describes what /client.js exports", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/client.d.ts`, await text("/client.d.ts"));
    await Deno.writeTextFile(`${folder}/client.js`, await text("/client.js"));
    await Deno.writeTextFile(
      `${folder}/use.ts`,
      `// @ts-types="./client.d.ts"
      import { Telecast, type TelecastError, type TelecastMessage } from "./client.js";
      const client = new Telecast<{ n: number }>("http://localhost", { deviceIds: "*", token: () => "t" });
      client.on("resumed", ({ status }) => status satisfies "full" | "partial" | "none");
      client.on("error", (error: TelecastError) => error.code);
      for await (const message of client) message satisfies TelecastMessage<{ n: number }>;
      // @ts-expect-error there is no such option
      new Telecast("http://localhost", { deviceId: "A" });
      await client.close();`,
    );
    const check = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--no-config", "--no-lock", `${folder}/use.ts`],
    }).output();
    assert(check.success, new TextDecoder().decode(check.stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

for (const path of ["/", "/ops"]) {
  Deno.test(`the references of ${path} lead to files, and nothing is inline`, async () => {
    const response = await app.request(path);
    const html = await response.text();
    const links = [...html.matchAll(/(?:href|src)="([^"#]+)"/g)].map((match) => match[1]!);
    assert(links.length > 20);
    for (const link of links) {
      const target = new URL(link, `http://page${path}`).pathname;
      assert.equal((await app.request(target)).status, 200, link);
    }
    assert.equal(/<script(?![^>]* src=)|<style|\sstyle=|\son\w+=/.test(html), false);
    assert.equal(/<!-- [A-Z_]+ -->|VERSION|MAP_TILES_URL/.test(html), false);
    const policy = response.headers.get("content-security-policy")!;
    assert.match(policy, /default-src 'none'/);
    assert.equal(/unsafe/.test(policy), false);
  });
}

Deno.test("every file of the pages is served, without types", async () => {
  const { version, files } = pageFiles();
  for (const folder of ["shared", "live", "live/map", "live/fleet", "ops"]) {
    for await (const { name } of Deno.readDir(`routes/pages/${folder}`)) {
      if (!/\.(ts|css|svg)$/.test(name) || name === "files.ts") continue;
      const served = `${folder}/${name.replace(/\.ts$/, ".js")}`;
      assert(files.has(served), `${served} is not served`);
    }
  }
  for (const name of files.keys()) {
    if (!name.endsWith(".js")) continue;
    const script = await text(`/assets/${version}/${name}`);
    for (const [, path] of script.matchAll(/(?:from |import\()"(\.[^"]+)"/g)) {
      const target = new URL(path!, `http://page/assets/${version}/${name}`).pathname;
      await text(target);
    }
  }
});

Deno.test("assets are compressed, cached forever by version, and answered with 304", async () => {
  const { version } = pageFiles();
  const path = `/assets/${version}/live/leaflet.js`;
  const plain = await text(path);
  const get = (headers: Record<string, string>, at = path) => app.request(at, { headers });

  const br = await get({ "accept-encoding": "gzip, deflate, br, zstd" });
  assert.equal(br.headers.get("content-encoding"), "br");
  assert.equal(brotliDecompressSync(await br.arrayBuffer()).toString(), plain);
  const gzip = await get({ "accept-encoding": "br;q=0, gzip" });
  assert.equal(gzip.headers.get("content-encoding"), "gzip");
  assert.equal(gunzipSync(await gzip.arrayBuffer()).toString(), plain);
  assert.equal(gzip.headers.get("vary"), "accept-encoding");

  assert.match(br.headers.get("cache-control")!, /immutable/);
  const older = await get({}, "/assets/older/live/leaflet.js");
  assert.equal(older.headers.get("cache-control"), "no-cache");
  await older.body?.cancel();
  const unchanged = await get({ "if-none-match": `"x", ${br.headers.get("etag")}` });
  assert.equal(unchanged.status, 304);
  assert.equal((await app.request("/assets/x/live/nothing.js")).status, 404);
});

Deno.test("MAP_TILES_URL and DEVICE_ID_PATH reach the page, which may load only those tiles", async () => {
  const routes = dashboardRoutes({
    mapTilesUrl: 'https://{s}.tiles.example/{z}/{x}/{y}.png?a="b"',
    deviceIdPath: ["meta", "id"],
  });
  const response = await routes.request("/");
  const html = await response.text();
  assert.match(html, /content="https:\/\/{s}.tiles.example\/{z}\/{x}\/{y}.png\?a=&quot;b&quot;"/);
  assert.match(html, /content="meta.id"/);
  assert.match(
    response.headers.get("content-security-policy")!,
    /img-src 'self' data: https:\/\/\*\.tiles\.example;/,
  );
});
