/** Tokens signed by an identity provider whose keys change, and which is unavailable at times. */

import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { KeysAwayError, ProviderKeys } from "../../../routes/access/jwks.ts";
import { eventually } from "../../kit/eventually.ts";
import { Rig } from "../rig.ts";
import { bearer, sign } from "../signed.ts";

/** An identity provider on a real port. */
class Provider {
  keys: unknown = [];
  asked = 0;
  status = 200;
  hang = false;
  readonly #server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async () => {
    this.asked++;
    if (this.hang) await new Promise((resolve) => setTimeout(resolve, 100));
    return Response.json({ keys: this.keys }, { status: this.status });
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/jwks.json`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

interface Pair {
  readonly jwk: JWK;
  sign(kid?: string): Promise<string>;
}

async function pair(kid: string | undefined, alg = "ES256"): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...await exportJWK(publicKey), alg, use: "sig", ...(kid && { kid }) };
  return {
    jwk,
    sign: (named = kid) =>
      new SignJWT({ scope: "stream", device_ids: "*" })
        .setProtectedHeader({ alg, ...(named && { kid: named }) }).sign(privateKey),
  };
}

async function statusOf(rig: Rig, token: string): Promise<string> {
  const response = await rig.fetch("/api/v1/stream/stats", bearer(token));
  const body = await response.json();
  return response.status === 200 ? "200" : `${response.status} ${body.code}`;
}

Deno.test("tokens signed by the provider's RSA, EC and Ed25519 keys are valid, others are not", async () => {
  await using provider = new Provider();
  const pairs = await Promise.all([pair("a"), pair("b", "RS256"), pair("c", "EdDSA")]);
  provider.keys = pairs.map(({ jwk }) => jwk);
  await using rig = await Rig.start({ env: { AUTH_JWKS_URL: provider.url } });
  for (const { sign } of pairs) assert.equal(await statusOf(rig, await sign()), "200");
  const stranger = await pair("a");
  assert.equal(await statusOf(rig, await stranger.sign()), "401 bad_token");
  // A public key used as the secret of an HMAC.
  const forged = await sign({ scope: "admin" }, { secret: JSON.stringify(pairs[0]!.jwk) });
  assert.equal(await statusOf(rig, forged), "401 bad_token");
  assert.equal(provider.asked, 1);
});

Deno.test("an unknown key is requested at a limited rate, however many tokens name it", async () => {
  await using provider = new Provider();
  const [first, second] = [await pair("first"), await pair("second")];
  provider.keys = [first.jwk];
  let now = 0;
  const keys = new ProviderKeys(provider.url, { now: () => now });
  const find = async (token: Promise<string>) => {
    const [protectedHeader = "", payload = "", signature = ""] = (await token).split(".");
    const header = JSON.parse(atob(protectedHeader));
    return await keys.get(header, { protected: protectedHeader, payload, signature });
  };
  await find(first.sign());
  provider.keys = [second.jwk];
  await Promise.all(
    Array.from({ length: 20 }, () => assert.rejects(find(second.sign()), /no applicable key/)),
  );
  assert.equal(provider.asked, 1, "within the pause after the last request");
  now += 31_000;
  await Promise.all(Array.from({ length: 20 }, () => find(second.sign())));
  assert.equal(provider.asked, 2);
  await assert.rejects(find(first.sign()), "the provider withdrew it");
});

Deno.test("while the provider is unavailable its last keys are valid; afterwards its new ones are", async (t) => {
  await using provider = new Provider();
  const [first, second] = [await pair("first"), await pair("second")];
  provider.keys = [first.jwk];
  let now = 0;
  const keys = new ProviderKeys(provider.url, { now: () => now });
  const good = async ({ sign }: Pair) => {
    const [protectedHeader = "", payload = "", signature = ""] = (await sign()).split(".");
    const header = JSON.parse(atob(protectedHeader));
    await keys.get(header, { protected: protectedHeader, payload, signature });
  };
  await good(first);
  const outages: Record<string, () => void> = {
    "an error": () => provider.status = 500,
    "no keys": () => Object.assign(provider, { status: 200, keys: [] }),
    "no list": () => provider.keys = { not: "a list" },
  };
  for (const [name, begin] of Object.entries(outages)) {
    await t.step(name, async () => {
      begin();
      for (let hours = 0; hours < 5; hours++) {
        now += 3_600_000;
        const asked = provider.asked;
        await eventually("it was asked", async () => {
          await good(first);
          return provider.asked > asked;
        });
      }
    });
  }
  provider.keys = [second.jwk];
  now += 3_600_000;
  await eventually("the new key", async () => {
    now += 31_000;
    return await good(second).then(() => true, () => false);
  });
  await assert.rejects(good(first), /no applicable key/);
});

Deno.test("the answer is 503 until the keys have been fetched once", async () => {
  await using provider = new Provider();
  const key = await pair("a");
  provider.status = 503;
  provider.keys = [key.jwk];
  await using rig = await Rig.start({ env: { AUTH_JWKS_URL: provider.url } });
  const text = await key.sign();
  assert.equal(await statusOf(rig, text), "503 keys_away");
  assert.equal(await statusOf(rig, ""), "401 token_required");
  provider.status = 200;
  await eventually("it recovers", async () => await statusOf(rig, text) === "200");
  const nowhere = new ProviderKeys("http://127.0.0.1:1/");
  await assert.rejects(
    async () => await nowhere.get({ alg: "ES256" }, { payload: "", signature: "" }),
    KeysAwayError,
  );
});

Deno.test("tokens without a key id are tried with each matching key", async () => {
  await using provider = new Provider();
  const [old, current, stranger] = [
    await pair(undefined),
    await pair(undefined),
    await pair(undefined),
  ];
  provider.keys = [old.jwk, current.jwk];
  await using rig = await Rig.start({ env: { AUTH_JWKS_URL: provider.url } });
  assert.equal(await statusOf(rig, await old.sign()), "200");
  assert.equal(await statusOf(rig, await current.sign()), "200");
  assert.equal(await statusOf(rig, await stranger.sign()), "401 bad_token");
});
