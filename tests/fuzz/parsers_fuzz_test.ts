/** Parsers of external text: payloads, cursors, claims, configuration. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { Interest } from "../../broker/messages/interest.ts";
import { Epoch, parseCursor } from "../../broker/messages/message.ts";
import { readVariables, VARIABLE_NAMES } from "../kit/config.ts";
import { MessageCheck } from "../../ingest/messages/check.ts";
import { narrow, OPEN_GRANT, TokenError, Tokens } from "../../routes/access/tokens.ts";
import { SECRET, sign } from "../routes/signed.ts";
import { fuzz, nasty, someBytes } from "./fuzz.ts";

fuzz("payloads: accepted messages are unchanged JSON with a device", 800, async (options) => {
  const check = new MessageCheck({
    maxMessageBytes: 2_000,
    deviceIdPath: undefined,
    commandTopicPrefix: "bombercat/commands/",
  });
  const payload = fc.oneof(
    someBytes(3_000),
    fc.json().map((text) => new TextEncoder().encode(text)),
    fc.record({
      device_id: fc.oneof(nasty(140), fc.jsonValue()),
      data: fc.oneof(fc.record({ DEVICE_ID: fc.oneof(nasty(140), fc.double()) }), fc.jsonValue()),
      uuid: fc.oneof(nasty(), fc.jsonValue()),
      tipo_mensaje: fc.constantFrom("semaforos", "alarmas", "estado", "x"),
      empresa: nasty(140),
    }, { requiredKeys: [] }).chain((value) => {
      const text = JSON.stringify(value);
      const pretty = JSON.stringify(value, null, "\t");
      return fc.constantFrom(text, pretty, `\ufeff${text}`, `${text}\r\n`, text.slice(0, -1));
    }).map((text) => new TextEncoder().encode(text)),
  );
  const topic = fc.oneof(fc.constantFrom("a", "bombercat/commands/X", "empresas"), nasty());
  await fc.assert(
    fc.asyncProperty(payload, topic, (bytes, topic) => {
      const checked = check.check(bytes, { topic });
      if (checked.refusal !== undefined) {
        assert.match(checked.refusal, /^[a-z_0-9]+$/);
        return Promise.resolve();
      }
      const { message } = checked;
      const given = JSON.parse(new TextDecoder().decode(bytes));
      assert.deepEqual(JSON.parse(message.payload), given);
      assert.doesNotMatch(message.payload, /[\r\n]/);
      assert.ok(message.deviceId.length > 0 && [...message.deviceId].length <= 128);
      assert.ok(bytes.length <= 2_000);
      return Promise.resolve();
    }),
    options as fc.Parameters<[Uint8Array<ArrayBuffer>, string]>,
  );
});

fuzz("cursors: only cursors made here are accepted, and read correctly", 3_000, async (options) => {
  const epoch = Epoch.random();
  const offset = fc.maxSafeNat();
  await fc.assert(
    fc.asyncProperty(nasty(), offset, fc.nat(63), fc.nat(35), (text, offset, at, digit) => {
      assert.equal(parseCursor(text), undefined);
      const cursor = epoch.cursor(offset);
      assert.deepEqual(parseCursor(cursor), { epoch: epoch.id, offset });
      assert.ok(cursor.length <= 64);
      const char = digit.toString(36);
      const changed = cursor.slice(0, at) + char + cursor.slice(at + 1);
      if (at >= cursor.length || changed === cursor) return Promise.resolve();
      const read = parseCursor(changed);
      // A checksum is not a signature: a changed cursor that passes it must name another position.
      if (read) assert.notDeepEqual(read, { epoch: epoch.id, offset });
      return Promise.resolve();
    }),
    options as fc.Parameters<[string, number, number, number]>,
  );
});

fuzz(
  "grants: nothing is granted that the token does not name",
  3_000,
  async (options) => {
    const id = fc.array(fc.constantFrom("A", "B", "a", "1", "-", "é", ",", "*"), {
      minLength: 1,
      maxLength: 3,
    })
      .map((parts) => parts.join(""));
    const item = fc.oneof(id, id.map((text) => `${text}*`), fc.constantFrom("*", " A ", "A,B", ""));
    const list = fc.array(item, { maxLength: 6 });
    // As text, as a list, as literal ids, and as two of these together.
    const interest = fc.tuple(list, list, fc.nat(3)).map(([some, more, form]) => {
      const exact = () => Interest.exactly(more.filter((text) => text !== ""), 1_000);
      if (form === 0) return Interest.parse(some, 1_000);
      if (form === 1) return Interest.list(some, 1_000);
      return form === 2 ? exact() : Interest.list(some, 1_000).with(exact(), 1_000);
    });
    await fc.assert(
      fc.asyncProperty(interest, interest, fc.array(id, { maxLength: 20 }), (...given) => {
        const [devicesGranted, wanted, devices] = given;
        const grant = { ...OPEN_GRANT, devices: devicesGranted };
        const narrowed = narrow(wanted, grant);
        for (const device of devices) {
          const gets = "granted" in narrowed && narrowed.granted.matches(device);
          const may = grant.devices.matches(device);
          if (gets) assert.ok(may && wanted.matches(device), device);
          // What is not refused is everything that was requested and is granted.
          else if ("granted" in narrowed) assert.ok(!(may && wanted.matches(device)), device);
        }
        return Promise.resolve();
      }),
      options as fc.Parameters<[Interest, Interest, string[]]>,
    );
  },
);

fuzz("claims of any shape: a grant or a TokenError", 500, async (options) => {
  const tokens = new Tokens({
    secret: SECRET,
    jwksUrl: undefined,
    audience: undefined,
    issuer: undefined,
    clockSkewSeconds: 0,
  });
  const claims = fc.record({
    scope: fc.oneof(nasty(), fc.jsonValue()),
    device_ids: fc.oneof(fc.array(nasty(140), { maxLength: 4 }), nasty(), fc.jsonValue()),
    sub: fc.oneof(nasty(), fc.jsonValue()),
    jti: fc.oneof(nasty(), fc.jsonValue()),
    exp: fc.oneof(fc.double({ noNaN: true }), fc.maxSafeInteger(), fc.jsonValue()),
    iat: fc.oneof(fc.double({ noNaN: true }), fc.jsonValue()),
  }, { requiredKeys: [] });
  await fc.assert(
    fc.asyncProperty(claims, async (claims) => {
      const token = await sign(claims as Record<string, unknown>).catch(() => undefined);
      fc.pre(token !== undefined);
      try {
        const grant = await tokens.verify(token);
        if (!("device_ids" in claims)) assert.ok(grant.devices.empty);
        assert.ok(grant.expiresAt === undefined || grant.expiresAt > Date.now() - 60_000);
        for (const claim of [grant.subject, grant.tokenId]) {
          assert.ok(claim === undefined || typeof claim === "string");
        }
      } catch (error) {
        assert.ok(error instanceof TokenError, String(error));
        assert.ok(!error.message.includes(token!));
      }
    }),
    options as fc.Parameters<[Record<string, unknown>]>,
  );
});

fuzz(
  "configuration: a Config, or problems that name variables and never show a value",
  1_000,
  async (options) => {
    const secret = "S3CRET-value";
    const value = fc.oneof(
      nasty(),
      nasty(40).map((text) => `${secret}${text}`),
      nasty(20).map((text) => `mqtt://${secret}:${secret}@${text}`),
      nasty(20).map((text) => `https://${text}/${secret}`),
      fc.constantFrom("true", "1", "0", "8000", "127.0.0.1", "memory:", `{"${secret}":[]}`),
    );
    const variables = fc.dictionary(fc.constantFrom(...VARIABLE_NAMES), value, { maxKeys: 8 });
    const args = fc.array(
      fc.oneof(nasty(20), fc.constantFrom("--mqtt", "--kafka", `--x=${secret}`)),
      {
        maxLength: 3,
      },
    );
    await fc.assert(
      fc.asyncProperty(variables, args, (env, args) => {
        const result = readVariables(env, args);
        if (result.ok) return Promise.resolve();
        assert.ok(result.problems.length > 0);
        for (const { name, message } of result.problems) {
          assert.ok(!`${name} ${message}`.includes(secret), `${name} ${message}`);
          assert.ok(message.length < 400);
        }
        return Promise.resolve();
      }),
      options as fc.Parameters<[Record<string, string>, string[]]>,
    );
  },
);
