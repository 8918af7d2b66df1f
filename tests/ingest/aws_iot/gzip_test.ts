import assert from "node:assert/strict";
import { gunzipSync, gzipSync } from "node:zlib";
import { gunzipped, GZIP_CONTENT_TYPE, gzipEncode } from "../../../ingest/aws_iot/gzip.ts";

const large = JSON.stringify({ text: "ñandú ".repeat(200) });

Deno.test("gzipEncode() compresses large payloads, and declares it, only with MQTT 5", () => {
  const encode = gzipEncode(1000);
  const packed = encode(large, 5);
  assert.equal(packed.contentType, GZIP_CONTENT_TYPE);
  assert.equal(gunzipSync(packed.payload as Uint8Array).toString(), large);
  assert.deepEqual(encode(large, 4), { payload: large });
  assert.deepEqual(encode("{}", 5), { payload: "{}" });
});

Deno.test("gzipEncode() does not compress a payload that does not shrink", () => {
  const noise = Array.from(
    crypto.getRandomValues(new Uint8Array(2000)),
    (b) => String.fromCharCode(0x80 + b % 128),
  ).join("");
  const { payload, contentType } = gzipEncode(10)(noise.slice(0, 20), 5);
  assert.equal(contentType, undefined);
  assert.equal(new TextDecoder().decode(payload as Uint8Array), noise.slice(0, 20));
});

Deno.test("gunzipped() unpacks gzip and leaves JSON and broken bytes unchanged", () => {
  assert.equal(new TextDecoder().decode(gunzipped(gzipSync(large))), large);
  const json = new TextEncoder().encode("{}");
  assert.equal(gunzipped(json), json);
  const broken = new Uint8Array([0x1f, 0x8b, 1, 2, 3]);
  assert.equal(gunzipped(broken), broken);
});

Deno.test("gunzipped() does not unpack a gzip bomb", () => {
  const bomb = new Uint8Array(gzipSync(new Uint8Array(50_000_000)));
  assert.equal(gunzipped(bomb), bomb);
});
