/** However a handshake is written, our own WebSocket serves it: it checks a frame by its length. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { frame, HANDSHAKE } from "../raw.ts";
import { SECRET, sign } from "../signed.ts";
import { Rig } from "../rig.ts";
import type { ServerKind } from "../servers.ts";

/** Servers with our own WebSocket; the fallback has Deno's. */
const OWN: readonly ServerKind[] = ["server", "tls"];
const MEGABYTE = 1_048_576;
const KEY = HANDSHAKE.join("\r\n");
const bytesOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

const IDS = Array.from({ length: 500 }, (_, i) => `${i}`.padStart(128, "x"));

/** Ways to write the head of a handshake for `path`, which has a query. */
function spellings(path: string): Record<string, string> {
  const encoded = path.replace(/[a-z](?=\?)/, (char) => `%${char.charCodeAt(0).toString(16)}`);
  return {
    "as usual": `GET ${path} HTTP/1.1\r\nHost: a\r\n${KEY}\r\n\r\n`,
    "path encoded": `GET ${encoded} HTTP/1.1\r\nHost: a\r\n${KEY}\r\n\r\n`,
    "HTTP/1.0": `GET ${path} HTTP/1.0\r\n${KEY}\r\n\r\n`,
    "absolute URL": `GET http://a${path} HTTP/1.1\r\nHost: a\r\n${KEY}\r\n\r\n`,
    "absolute URL, encoded": `GET HTTP://a${encoded} HTTP/1.1\r\nHost: b\r\n${KEY}\r\n\r\n`,
    "header that is not ASCII": `GET ${path} HTTP/1.1\r\nHost: a\r\nX: caf\xe9\r\n${KEY}\r\n\r\n`,
    "30,000 bytes of headers": `GET ${path} HTTP/1.1\r\nHost: a\r\nX: ${
      "x".repeat(30_000)
    }\r\n${KEY}\r\n\r\n`,
    "500 ids of 128 characters": `GET ${path}&device_ids=${
      IDS.join("%2C")
    } HTTP/1.1\r\nHost: a\r\n${KEY}\r\n\r\n`,
    "Content-Length: 0": `GET ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n${KEY}\r\n\r\n`,
    "lines without CR": `GET ${path} HTTP/1.1\nHost: a\n${KEY.replaceAll("\r", "")}\n\n`,
    "a list in Upgrade": `GET ${path} HTTP/1.1\r\nHost: a\r\n${
      KEY.replace("Upgrade: websocket", "UPGRADE: h2c , WebSocket")
    }\r\n\r\n`,
    "behind another request":
      `GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET ${path} HTTP/1.1\r\nHost: a\r\n${KEY}\r\n\r\n`,
  };
}

for (const server of OWN) {
  for (const path of ["/api/v1/stream?snapshot=0", "/ws?x=1"]) {
    Deno.test(`${server}: ${path}: a frame of 59 MB is refused by its length, however the handshake is written`, async (t) => {
      await using rig = await Rig.start({ server, env: { WS_REQUIRE_DEVICE_IDS: "false" } });
      for (const [name, head] of Object.entries(spellings(path))) {
        await t.step(name, async () => {
          await using connection = await rig.raw();
          await connection.write(bytesOf(head));
          let answer = await connection.head();
          if (answer.status === 200) {
            await connection.bytes(Number(answer.headers.get("content-length")));
            answer = await connection.head();
          }
          assert.equal(answer.status, 101);
          await connection.write(frame("", { opcode: 2, length: 59 * MEGABYTE }));
          assert.equal(await connection.closeCode(), 1009);
        });
      }
    });
  }

  Deno.test(`${server}: an invalid handshake is a problem, and does not open a WebSocket`, async (t) => {
    await using rig = await Rig.start({ server });
    const path = "/api/v1/stream?device_ids=A";
    const without = (name: string) =>
      HANDSHAKE.filter((line) => !line.startsWith(name)).join("\r\n");
    const heads: Record<string, [string, number]> = {
      "a body": [`GET ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n${KEY}\r\n\r\nabc`, 400],
      "chunks": [
        `GET ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n${KEY}\r\n\r\n0\r\n\r\n`,
        400,
      ],
      "no key": [`GET ${path} HTTP/1.1\r\nHost: a\r\n${without("Sec-WebSocket-Key")}\r\n\r\n`, 400],
      "no Connection": [`GET ${path} HTTP/1.1\r\nHost: a\r\n${without("Connection")}\r\n\r\n`, 400],
      "another version": [
        `GET ${path} HTTP/1.1\r\nHost: a\r\n${KEY.replace(": 13", ": 8")}\r\n\r\n`,
        426,
      ],
      "POST": [`POST ${path} HTTP/1.1\r\nHost: a\r\n${KEY}\r\n\r\n`, 405],
      "an invalid Host": [`GET ${path} HTTP/1.1\r\nHost: a:99999\r\n${KEY}\r\n\r\n`, 400],
      "another path": [`GET /api/v1/strea%2fm HTTP/1.1\r\nHost: a\r\n${KEY}\r\n\r\n`, 404],
      "too long": [
        `GET ${path} HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(200_000)}\r\n${KEY}\r\n\r\n`,
        431,
      ],
    };
    for (const [name, [head, status]] of Object.entries(heads)) {
      await t.step(name, async () => {
        await using connection = await rig.raw();
        await connection.write(bytesOf(head)).catch(() => {});
        const answer = await connection.head();
        assert.equal(answer.status, status);
        assert.equal(answer.headers.get("content-type"), "application/problem+json");
      });
    }
  });

  Deno.test(`${server}: 500 ids of 128 characters and a token fit into a URL at the defaults`, async () => {
    await using rig = await Rig.start({ server, env: { AUTH_JWT_SECRET: SECRET } });
    const token = await sign({ scope: "stream", device_ids: "*", sub: "s".repeat(300) });
    const ids = IDS.map((id) => id.replace(/x/g, "X"));
    const path = `/api/v1/stream?device_ids=${ids.join("%2C")}&access_token=${token}`;
    await using connection = await rig.raw();
    await connection.request(path, HANDSHAKE);
    assert.equal((await connection.head()).status, 101);
    await eventually("the session", () => rig.hub.sessions.size === 1);
    rig.publish(ids[499]!, 1);
    const { payload } = await connection.frame() ?? {};
    assert.match(new TextDecoder().decode(payload), /"event":"message"/);
  });
}
