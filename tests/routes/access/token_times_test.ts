/** `exp`, `iat` and `nbf`: an invalid time is refused, and a revocation covers every valid one. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { Rig } from "../rig.ts";
import { bearer, posted, seconds, SECRET, sign } from "../signed.ts";

const env = { AUTH_JWT_SECRET: SECRET, AUTH_CLOCK_SKEW_SECONDS: "5" };
const DEVICES = "/api/v1/devices";

/** Signs claims given as JSON text, which can contain `1e999` and the like. */
async function signText(claims: string): Promise<string> {
  const encode = (text: string) =>
    new TextEncoder().encode(text).toBase64({ alphabet: "base64url", omitPadding: true });
  const body = `${encode('{"alg":"HS256"}')}.${encode(claims)}`;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const secret = new TextEncoder().encode(SECRET);
  const key = await crypto.subtle.importKey("raw", secret, algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(body));
  const text = new Uint8Array(signature).toBase64({ alphabet: "base64url", omitPadding: true });
  return `${body}.${text}`;
}

/** The code of the problem that a token gets; undefined if it is valid. */
async function refusal(rig: Rig, token: string): Promise<string | undefined> {
  const response = await rig.fetch(DEVICES, bearer(token));
  const body = await response.json();
  if (response.status === 200) return undefined;
  assert.equal(response.status, 401);
  return body.code;
}

const held = (times: string) =>
  signText(`{"scope":"stream","device_ids":["A"],"sub":"s","jti":"j"${times && `,${times}`}}`);

Deno.test("an invalid or implausible time is refused", async (t) => {
  await using rig = await Rig.start({ env });
  const now = seconds();
  const bad = [
    ...[`"exp":${Date.now() + 60_000}`, `"exp":${now * 1e6}`, `"exp":1e999`, `"exp":"${now + 60}"`],
    ...[`"exp":null`, `"exp":[${now + 60}]`, `"exp":true`, `"exp":253402300800`],
    ...[`"iat":${Date.now()}`, `"iat":${now + 60}`, `"iat":1e999`, `"iat":"${now}"`, `"iat":null`],
    ...[`"iat":{}`, `"nbf":${Date.now()}`, `"nbf":"${now}"`, `"nbf":null`, `"nbf":${now + 60}`],
    ...[`"exp":-1e999`, `"iat":-1e999`, `"nbf":-1e999`],
  ];
  for (const times of bad) {
    await t.step(times, async () => {
      const code = await refusal(rig, await held(times));
      assert.equal(code, times === `"exp":-1e999` ? "token_expired" : "bad_token");
    });
  }
  const good = [
    ...["", `"exp":${now + 60}`, `"exp":${now + 60.5}`, `"exp":253402300799`, `"iat":${now}`],
    ...[`"iat":${now + 3}`, `"iat":0`, `"iat":-5`, `"iat":${now - 0.5}`, `"nbf":${now + 3}`],
    ...[`"nbf":0`],
  ];
  for (const times of good) {
    await t.step(`${times || "none"} is valid`, async () => {
      assert.equal(await refusal(rig, await held(times)), undefined);
    });
  }
});

Deno.test("a revocation of a subject covers every earlier token, whatever its iat", async (t) => {
  const times = ["", "-5", "0", `${seconds() - 0.25}`, `${seconds(-1)}`];
  for (const iat of times) {
    await t.step(`iat ${iat || "is missing"}`, async () => {
      await using rig = await Rig.start({ env });
      const token = await held(iat && `"iat":${iat}`);
      await using stream = await rig.sse("device_ids=A", bearer(token));
      await revoke(rig);
      await stream.waitForEvent("goodbye");
      assert.equal(await refusal(rig, token), "token_revoked");
    });
  }
});

Deno.test("a stream ends with the revocation of its subject even if the issuer's clock is ahead", async () => {
  await using rig = await Rig.start({ env });
  await using stream = await rig.sse("device_ids=A", bearer(await held(`"iat":${seconds(4)}`)));
  await revoke(rig);
  assert.match((await stream.waitForEvent("goodbye")).data, /token_revoked/);
  await eventually("it is gone", () => rig.hub.sessions.size === 0);
});

async function revoke(rig: Rig): Promise<void> {
  const admin = await sign({ scope: "admin" });
  const response = await rig.fetch("/api/v1/tokens/revoke", posted({ sub: "s" }, admin));
  await response.body?.cancel();
  assert.equal(response.status, 200);
}
