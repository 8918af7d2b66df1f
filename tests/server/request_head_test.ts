import assert from "node:assert/strict";
import { BadRequestError, endOfHead, parseHead } from "../../server/request_head.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const parse = (line: string, ...fields: string[]) =>
  parseHead(bytesOf([line, ...fields, "", ""].join("\r\n")), "127.0.0.1:8000");

/** Status and code of a refusal; fails if there is none. */
function refusal(line: string, ...fields: string[]): string {
  try {
    parse(line, ...fields);
  } catch (error) {
    assert.ok(error instanceof BadRequestError, String(error));
    const { status, code, detail } = error.problem;
    assert.ok(detail.length < 200);
    return `${status} ${code}`;
  }
  throw new Error(`It was accepted: ${line} | ${fields.join(" | ")}`);
}

Deno.test("parseHead() reads method, URL and headers as the client wrote them", () => {
  const head = parse(
    'GET /api/v1/strea%6d?device_ids=A,%2C&q={"a":[1]} HTTP/1.1',
    "Host: example.com:8000",
    "Accept:  text/event-stream \t",
    "X-Forwarded-For: 1.1.1.1",
    "x-forwarded-for: 2.2.2.2",
    "X-Name: caf\xe9",
    "Empty:",
  );
  assert.equal(head.method, "GET");
  assert.equal(head.url, 'http://example.com:8000/api/v1/strea%6d?device_ids=A,%2C&q={"a":[1]}');
  assert.deepEqual([...head.headers], [
    ["accept", "text/event-stream"],
    ["empty", ""],
    ["host", "example.com:8000"],
    ["x-forwarded-for", "1.1.1.1, 2.2.2.2"],
    ["x-name", "caf\xe9"],
  ]);
  assert.deepEqual(
    [head.body, head.takesChunks, head.keepAlive, head.expectsContinue],
    [0, true, true, false],
  );
});

Deno.test("parseHead() accepts lines without CR, and raw UTF-8", () => {
  const head = parseHead(bytesOf("GET /\xc3\xb1?a=\xc3\xb1 HTTP/1.1\nHost: a\n\n"), "b");
  assert.equal(new URL(head.url).href, "http://a/%C3%B1?a=%C3%B1");
  assert.equal(refusal("GET /\xf1 HTTP/1.1", "Host: a"), "400 bad_request");
});

Deno.test("parseHead() prefers an absolute URL to Host, and accepts HTTP/1.0 without Host", () => {
  const absolute = parse("GET HTTP://a.example:81?x=1 HTTP/1.1", "Host: b.example");
  assert.equal(absolute.url, "http://a.example:81/?x=1");
  assert.equal(absolute.headers.get("host"), "a.example:81");
  const old = parse("GET /livez HTTP/1.0", "Connection: keep-alive");
  assert.equal(old.url, "http://127.0.0.1:8000/livez");
  assert.deepEqual([old.takesChunks, old.keepAlive], [false, false]);
  assert.equal(parse("GET / HTTP/1.1", "Host: a", "Connection: TE, Close").keepAlive, false);
});

Deno.test("parseHead() refuses a Host that is malformed or invalid in a URL", () => {
  const line = "GET /api/v1/stream?access_token=secret HTTP/1.1";
  for (
    const host of [
      ...["a", "A.example:8000", "127.0.0.1", "[::1]", "[::1]:8000", "a_b-c.d", "xn--nxasmq6b"],
      ...["localhost:", "a.", "%41", "123abc"],
    ]
  ) assert.ok(parse(line, `Host: ${host}`).url.startsWith("http://"), host);
  for (
    const host of [
      ...["", "a:99999", "a:b", "300.1.1.1", "1..2", "xn--a", "a b", "a/b", "user@a", "a?b", "a#b"],
      ...["a\\b", "[::1", "::1", "[g]", "a:1:2", "%zz", "%00", "caf\xe9", "<a>", "a".repeat(300)],
      ...["1.2.3.4.5", "0x1ffffffff", "a:65536"],
    ]
  ) {
    assert.equal(refusal(line, `Host: ${host}`), "400 bad_host", host);
    if (!/[\s/?#]/.test(host)) {
      assert.match(refusal(`GET http://${host}/ HTTP/1.1`, "Host: a"), /^400/);
    }
  }
  assert.equal(refusal(line), "400 bad_host");
  assert.equal(refusal(line, "Host: a", "host: a"), "400 bad_request");
});

Deno.test("parseHead() finds the length of the body, and refuses ambiguous framing", () => {
  const line = "POST / HTTP/1.1";
  const host = "Host: a";
  assert.equal(parse(line, host, "Content-Length: 12").body, 12);
  assert.equal(parse("GET / HTTP/1.1", host, "Content-Length: 0").body, 0);
  assert.equal(parse(line, host, "Transfer-Encoding: Chunked").body, "chunked");
  assert.equal(parse(line, host, "Expect: 100-Continue").expectsContinue, true);
  assert.equal(refusal(line, host, "Expect: more"), "417 bad_expectation");
  for (
    const fields of [
      ["Content-Length: -1"],
      ["Content-Length: 1e3"],
      ["Content-Length: 1, 1"],
      ["Content-Length: 1", "Content-Length: 1"],
      ["Content-Length: 9999999999999999"],
      ["Content-Length: 1", "Transfer-Encoding: chunked"],
      ["Transfer-Encoding: gzip, chunked"],
      ["Transfer-Encoding: identity"],
      ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ]
  ) assert.equal(refusal(line, host, ...fields), "400 bad_request", fields.join());
  assert.match(refusal("POST / HTTP/1.0", "Transfer-Encoding: chunked"), /^400/);
});

Deno.test("parseHead() refuses what HTTP/1.1 does not allow", () => {
  const line = "GET / HTTP/1.1";
  const host = "Host: a";
  for (
    const [first, ...fields] of [
      ["GET /a b HTTP/1.1", host],
      ["GET  / HTTP/1.1", host],
      ["GET / HTTP/2.0", host],
      ["GET / HTTP/9.9", host],
      ["GET / http/1.1", host],
      ["GET /", host],
      ["GET", host],
      ["(GET) / HTTP/1.1", host],
      ["GET * HTTP/1.1", host],
      ["GET a HTTP/1.1", host],
      ["GET ftp://a/ HTTP/1.1", host],
      ["GET /#a HTTP/1.1", host],
      ["GET /\x01 HTTP/1.1", host],
      [line, host, "X : spaced"],
      [line, host, " folded: line"],
      [line, host, "X: a\rb"],
      [line, host, "X: a\0"],
      [line, host, "nothing"],
      [line, host, ": nameless"],
      [line, host, "caf\xe9: x"],
    ]
  ) assert.equal(refusal(first!, ...fields), "400 bad_request", `${first} | ${fields.join(" | ")}`);
  for (const method of ["CONNECT", "TRACE", "track"]) {
    assert.equal(refusal(`${method} / HTTP/1.1`, host), "405 method_not_allowed");
  }
  const many = Array.from({ length: 101 }, (_, i) => `H${i}: x`);
  assert.equal(refusal(line, ...many), "431 headers_too_large");
});

Deno.test("parseHead() takes time proportional to the length of the head, whatever it contains", () => {
  const length = 100_000;
  for (
    const [first, ...fields] of [
      ["GET / HTTP/1.1", "Host: a", `X: a${" ".repeat(length)}b`],
      ["GET / HTTP/1.1", "Host: a", `X:${" \t".repeat(length / 2)}`],
      [`GET /${"%".repeat(length)} HTTP/1.1`, "Host: a"],
      [`GET ${"http://".repeat(length / 7)} HTTP/1.1`, "Host: a"],
      ["GET / HTTP/1.1", `Host: ${"a.".repeat(length / 2)}`],
      ["GET / HTTP/1.1", "Host: a", `Connection: ${",".repeat(length)}`],
    ]
  ) {
    const started = performance.now();
    try {
      parse(first!, ...fields);
    } catch (error) {
      assert.ok(error instanceof BadRequestError);
    }
    const ms = performance.now() - started;
    assert.ok(ms < 200, `${ms} ms for ${first!.slice(0, 20)} ${fields.join().slice(0, 20)}`);
  }
});

Deno.test("endOfHead() finds the empty line, wherever the input was split", () => {
  for (const lineEnd of ["\r\n", "\n"]) {
    const head = ["GET / HTTP/1.1", "Host: a", "", ""].join(lineEnd);
    const bytes = bytesOf(`${head}rest`);
    const end = head.length;
    assert.equal(endOfHead(bytes), end);
    for (let from = 0; from <= end - 2 * lineEnd.length; from++) {
      assert.equal(endOfHead(bytes, from), end);
    }
    for (let length = 0; length < end; length++) {
      assert.equal(endOfHead(bytes.subarray(0, length)), undefined);
    }
  }
});
