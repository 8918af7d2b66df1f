import assert from "node:assert/strict";
import { endOfHead, parseHead } from "../../server/request_head.ts";

const PATH = "/api/v1/stream";
const parse = (line: string, ...fields: string[]) =>
  parseHead([line, ...fields, "", ""].join("\r\n"), PATH);

Deno.test("parseHead() reads a plain GET of the path", () => {
  const head = parse(
    `GET ${PATH}?device_ids=A,B HTTP/1.1`,
    "Host: example.com:8000",
    "Accept:  text/event-stream ",
    "X-Forwarded-For: 1.1.1.1",
    "x-forwarded-for: 2.2.2.2",
  );
  assert.equal(head?.target, `${PATH}?device_ids=A,B`);
  assert.equal(head?.host, "example.com:8000");
  assert.equal(head?.headers.get("accept"), "text/event-stream");
  assert.equal(head?.headers.get("x-forwarded-for"), "1.1.1.1, 2.2.2.2");
});

Deno.test("parseHead() leaves to Deno whatever is unusual", () => {
  const line = `GET ${PATH} HTTP/1.1`;
  const host = "Host: a";
  assert.ok(parse(line, host));
  for (
    const [first, ...fields] of [
      [`POST ${PATH} HTTP/1.1`, host],
      [`GET ${PATH} HTTP/1.0`, host],
      [`GET ${PATH}s HTTP/1.1`, host],
      [`GET ${PATH}?a b HTTP/1.1`, host],
      [`GET http://a${PATH} HTTP/1.1`, host],
      [line],
      [line, host, host],
      [line, "Host: a/b"],
      [line, "Host: user@a"],
      [line, host, "Content-Length: 0"],
      [line, host, "Transfer-Encoding: chunked"],
      [line, host, "Expect: 100-continue"],
      [line, host, "X : spaced"],
      [line, host, " folded: line"],
      [line, host, "X: caf\u00e9"],
      [line, host, "X: a\rb"],
      [line, host, "nothing"],
    ]
  ) assert.equal(parse(first!, ...fields), undefined, `${first} | ${fields.join(" | ")}`);
});

Deno.test("endOfHead() finds the empty line, wherever the bytes were cut", () => {
  const bytes = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\nrest");
  const end = bytes.length - 4;
  assert.equal(endOfHead(bytes), end);
  for (let from = 0; from <= end - 4; from++) assert.equal(endOfHead(bytes, from), end);
  for (let length = 0; length < end; length++) {
    assert.equal(endOfHead(bytes.subarray(0, length)), undefined);
  }
});
