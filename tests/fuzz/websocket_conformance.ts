/**
 * The cases of the public conformance suite (Autobahn, sections 1 to 7 and 10), by its numbers:
 * what a client sends, what is echoed, and how the connection ends.
 */

import {
  clientClose,
  clientFrame,
  concat,
  type FrameOptions,
} from "../kit/clients/client_frames.ts";
import { bytesOf, type ConformanceCase, hex } from "./payloads.ts";

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

type Echo = readonly [opcode: number, payload: string | Uint8Array];

const cases: ConformanceCase[] = [];

function add(
  id: string,
  title: string,
  { sent, echoed = [], closeCode }: {
    sent: readonly Uint8Array[];
    echoed?: readonly Echo[];
    closeCode?: number | undefined;
  },
): void {
  const payloads = echoed.map(([opcode, payload]) => [opcode, bytesOf(payload)] as const);
  cases.push({ id, title, sent, echoed: payloads, closeCode });
}

const text = (payload: string | Uint8Array, options: FrameOptions = {}) =>
  clientFrame(TEXT, payload, options);
const ping = (payload: string | Uint8Array = "", options: FrameOptions = {}) =>
  clientFrame(PING, payload, options);
const pong = (payload: string | Uint8Array = "", options: FrameOptions = {}) =>
  clientFrame(PONG, payload, options);
const more = (payload: string | Uint8Array, options: FrameOptions = {}) =>
  clientFrame(CONTINUATION, payload, options);
const UNFINISHED = { fin: false };

// ---- 1: messages with each header length

for (const [section, opcode] of [["1.1", TEXT], ["1.2", BINARY]] as const) {
  [0, 125, 126, 127, 128, 65_535, 65_536].forEach((length, i) => {
    const payload = new Uint8Array(length).fill(opcode === TEXT ? 42 : 0xfe);
    add(`${section}.${i + 1}`, `a message of ${length} bytes`, {
      sent: [clientFrame(opcode, payload)],
      echoed: [[opcode, payload]],
    });
  });
}

// ---- 2: pings and pongs

const NO_TEXT = hex("00 ff fe fd fc fb 00 ff");
add("2.1", "a ping without payload", { sent: [ping()], echoed: [[PONG, ""]] });
add("2.2", "a ping with text", { sent: [ping("Hello")], echoed: [[PONG, "Hello"]] });
add("2.3", "a ping with bytes", { sent: [ping(NO_TEXT)], echoed: [[PONG, NO_TEXT]] });
const longest = new Uint8Array(125).fill(0xfe);
add("2.4", "a ping of 125 bytes", { sent: [ping(longest)], echoed: [[PONG, longest]] });
add("2.5", "a ping of 126 bytes", {
  sent: [ping(new Uint8Array(126).fill(0xfe))],
  closeCode: 1002,
});
add("2.7", "an unsolicited pong", { sent: [pong()] });
add("2.8", "the same with a payload", { sent: [pong("unsolicited")] });
add("2.9", "the same, and a ping", {
  sent: [pong("unsolicited"), ping("payload")],
  echoed: [[PONG, "payload"]],
});
const tenPings = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
add("2.10", "ten pings", {
  sent: tenPings.map((payload) => ping(payload)),
  echoed: tenPings.map((payload) => [PONG, payload]),
});

// ---- 3: reserved bits

const HELLO: Echo = [TEXT, "Hello, world!"];
const hello = text("Hello, world!");
add("3.1", "a text with RSV 1", { sent: [text("Hello", { rsv: 1 })], closeCode: 1002 });
for (const rsv of [2, 3, 4]) {
  add(`3.${rsv}`, `a text, one with RSV ${rsv}, a ping`, {
    sent: [hello, text("Hello", { rsv }), ping()],
    echoed: [HELLO],
    closeCode: 1002,
  });
}
add("3.5", "a binary with RSV 5", {
  sent: [clientFrame(BINARY, NO_TEXT, { rsv: 5 })],
  closeCode: 1002,
});
add("3.6", "a ping with RSV 6", { sent: [ping("Hello", { rsv: 6 })], closeCode: 1002 });
add("3.7", "a close with RSV 7", { sent: [clientFrame(CLOSE, "", { rsv: 7 })], closeCode: 1002 });

// ---- 4: reserved opcodes

for (const [section, first] of [["4.1", 3], ["4.2", 11]] as const) {
  add(`${section}.1`, `opcode ${first}`, { sent: [clientFrame(first)], closeCode: 1002 });
  add(`${section}.2`, `opcode ${first + 1}, with a payload`, {
    sent: [clientFrame(first + 1, "reserved opcode payload")],
    closeCode: 1002,
  });
  for (const i of [2, 3, 4]) {
    add(`${section}.${i + 1}`, `a text, opcode ${first + i}, a ping`, {
      sent: [hello, clientFrame(first + i, i === 2 ? "" : "payload"), ping()],
      echoed: [HELLO],
      closeCode: 1002,
    });
  }
}

// ---- 5: fragments

const one = text("fragment1", UNFINISHED);
const two = more("fragment2");
const WHOLE: Echo = [TEXT, "fragment1fragment2"];
add("5.1", "a ping in two pieces", { sent: [ping("a", UNFINISHED), more("b")], closeCode: 1002 });
add("5.2", "a pong in two pieces", { sent: [pong("a", UNFINISHED), more("b")], closeCode: 1002 });
add("5.3", "a text in two pieces", { sent: [one, two], echoed: [WHOLE] });
add("5.6", "a text in two pieces, a ping between", {
  sent: [one, ping("ping payload"), two],
  echoed: [[PONG, "ping payload"], WHOLE],
});
for (const [id, options] of [["5.9", {}], ["5.12", UNFINISHED]] as const) {
  add(id, "a continuation of nothing, then a text", {
    sent: [more("non-continuation payload", options), hello],
    closeCode: 1002,
  });
}
add("5.15", "a text in two pieces, a continuation of nothing, a text", {
  sent: [one, two, more("fragment3", UNFINISHED), text("fragment4")],
  echoed: [WHOLE],
  closeCode: 1002,
});
for (const [id, options] of [["5.16", UNFINISHED], ["5.17", {}]] as const) {
  add(id, "a continuation of nothing before each message in pieces", {
    sent: [more("fragment1", options), text("fragment2", UNFINISHED), more("fragment3")],
    closeCode: 1002,
  });
}
add("5.18", "a text within a text", { sent: [one, text("fragment2")], closeCode: 1002 });
add("5.19", "a text in five pieces, with pings between", {
  sent: [
    one,
    more("fragment2", UNFINISHED),
    ping("pongme 1!"),
    more("fragment3", UNFINISHED),
    more("fragment4", UNFINISHED),
    ping("pongme 2!"),
    more("fragment5"),
  ],
  echoed: [
    [PONG, "pongme 1!"],
    [PONG, "pongme 2!"],
    [TEXT, "fragment1fragment2fragment3fragment4fragment5"],
  ],
});
add("5.a", "a binary in three pieces, two of them empty", {
  sent: [clientFrame(BINARY, "", UNFINISHED), more(NO_TEXT, UNFINISHED), more("")],
  echoed: [[BINARY, NO_TEXT]],
});

// ---- 6: UTF-8

add("6.1.1", "an empty text", { sent: [text("")], echoed: [[TEXT, ""]] });
add("6.1.2", "three empty pieces", {
  sent: [text("", UNFINISHED), more("", UNFINISHED), more("")],
  echoed: [[TEXT, ""]],
});
add("6.1.3", "text between two empty pieces", {
  sent: [text("", UNFINISHED), more("middle", UNFINISHED), more("")],
  echoed: [[TEXT, "middle"]],
});
const UMLAUTS = "Hello-µ@ßöäüàá-UTF-8!!";
const KOSME = hex("ce ba e1 bd b9 cf 83 ce bc ce b5");
add("6.2.1", "text", { sent: [text(UMLAUTS)], echoed: [[TEXT, UMLAUTS]] });
add("6.2.2", "text in two pieces, cut between characters", {
  sent: [text("Hello-µ@ßöä", UNFINISHED), more("üàá-UTF-8!!")],
  echoed: [[TEXT, UMLAUTS]],
});
add("6.2.3", "text in pieces of one byte", {
  sent: inPieces(bytesOf(UMLAUTS), 1),
  echoed: [[TEXT, UMLAUTS]],
});
add("6.2.4", "the same in Greek", { sent: inPieces(KOSME, 1), echoed: [[TEXT, KOSME]] });
const BROKEN = concat(KOSME, hex("ed a0 80"), bytesOf("edited"));
add("6.3.1", "text with a surrogate", { sent: [text(BROKEN)], closeCode: 1007 });
add("6.3.2", "the same in pieces of one byte", {
  sent: inPieces(BROKEN, 1),
  closeCode: 1007,
});
// Rejected although the rest never arrives.
const BEYOND = hex("f4 90 80 80");
add("6.4.1", "a piece with bytes that cannot be text, and nothing more", {
  sent: [text(KOSME, UNFINISHED), more(BEYOND, UNFINISHED)],
  closeCode: 1007,
});
add("6.4.2", "the same, cut within the character", {
  sent: [text(concat(KOSME, hex("f4")), UNFINISHED), more(hex("90"), UNFINISHED)],
  closeCode: 1007,
});
const unfinished = text(concat(KOSME, BEYOND, bytesOf("edited")));
const untilBroken = unfinished.subarray(0, 6 + KOSME.length + 2);
add("6.4.3", "half a frame with bytes that cannot be text", {
  sent: [unfinished.subarray(0, 6 + KOSME.length + 4)],
  closeCode: 1007,
});
add("6.4.4", "the same, up to the first of them", { sent: [untilBroken], closeCode: 1007 });
const VALID: readonly (readonly [string, readonly string[]])[] = [
  ["6.5", ["ce ba e1 bd b9 cf 83 ce bc ce b5"]],
  ["6.7", ["00", "c2 80", "e0 a0 80", "f0 90 80 80"]],
  ["6.9", ["7f", "df bf", "ef bf bf", "f4 8f bf bf"]],
  ["6.11", ["ed 9f bf", "ee 80 80", "ef bf bd", "f4 8f bf bf"]],
  ["6.22", [
    "ef bf be",
    "ef bf bf",
    ...["f0 9f", "f0 af", "f0 bf", "f1 8f", "f2 8f", "f3 8f", "f4 8f"].flatMap((start) => [
      `${start} bf be`,
      `${start} bf bf`,
    ]),
  ]],
  ["6.23", ["ef bf b9", "ef bf ba", "ef bf bb", "ef bf bc", "ef bf bd", "ef bb bf", "ef bb bf 61"]],
];
for (const [section, texts] of VALID) {
  texts.forEach((bytes, i) =>
    add(`${section}.${i + 1}`, `the text ${bytes}`, {
      sent: [text(hex(bytes))],
      echoed: [[TEXT, hex(bytes)]],
    })
  );
}
const INVALID: readonly (readonly [string, readonly string[]])[] = [
  // Prefixes of a text that is complete in 6.5.
  ["6.6", ["ce", "ce ba e1", "ce ba e1 bd", "ce ba e1 bd b9 cf", "ce ba e1 bd b9 cf 83 ce"]],
  ["6.8", ["f8 88 80 80 80", "fc 84 80 80 80 80"]],
  ["6.10", ["f7 bf bf bf", "fb bf bf bf bf", "fd bf bf bf bf bf"]],
  ["6.12", ["80", "bf", "80 bf", "80 bf 80", "80 bf 80 bf", "80 bf 80 bf 80"]],
  ["6.13", ["c0 20 c1 20 c2 20", "e0 20 e1 20", "f0 20 f1 20", "f8 20", "fc 20", "df 20", "ef 20"]],
  ["6.14", ["c0", "e0 80", "f0 80 80", "f8 80 80 80", "df", "ef bf", "f7 bf bf", "fb bf bf bf"]],
  ["6.15", ["c0 e0 80 f0 80 80 f8 80 80 80 fc 80 80 80 80 df ef bf f7 bf bf"]],
  ["6.16", ["fe", "ff", "fe fe ff ff"]],
  ["6.17", ["c0 af", "e0 80 af", "f0 80 80 af", "f8 80 80 80 af", "fc 80 80 80 80 af"]],
  ["6.18", ["c1 bf", "e0 9f bf", "f0 8f bf bf", "f8 87 bf bf bf", "fc 83 bf bf bf bf"]],
  ["6.19", ["c0 80", "e0 80 80", "f0 80 80 80", "f8 80 80 80 80", "fc 80 80 80 80 80"]],
  ["6.20", ["ed a0 80", "ed ad bf", "ed ae 80", "ed af bf", "ed b0 80", "ed be 80", "ed bf bf"]],
  ["6.21", ["ed a0 80 ed b0 80", "ed ad bf ed b0 80", "ed af bf ed bf bf"]],
];
for (const [section, texts] of INVALID) {
  texts.forEach((bytes, i) => {
    const sent = [text(hex(bytes))];
    add(`${section}.${i + 1}`, `the text ${bytes}`, { sent, closeCode: 1007 });
    add(`${section}.${i + 1}b`, `${bytes} in the second piece`, {
      sent: [text("ok", UNFINISHED), more(hex(bytes))],
      closeCode: 1007,
    });
  });
}

// ---- 7: closing

add("7.1.1", "a text, then a close", { sent: [hello], echoed: [HELLO] });
const closed = clientClose(1000);
add("7.1.2", "two closes", { sent: [closed, closed], closeCode: 1000 });
add("7.1.3", "a ping after a close", { sent: [closed, ping()], closeCode: 1000 });
add("7.1.4", "a text after a close", { sent: [closed, hello], closeCode: 1000 });
add("7.1.5", "a close within a text", { sent: [one, closed, two], closeCode: 1000 });
const large = "BAsd7&jh23".repeat(26_214);
add("7.1.6", "256 KB, a close, a ping", {
  sent: [text(large), closed, ping()],
  echoed: [[TEXT, large]],
  closeCode: 1000,
});
add("7.3.1", "a close without payload", { sent: [clientClose()], closeCode: 1000 });
add("7.3.2", "a close with half a code", { sent: [clientFrame(CLOSE, "a")], closeCode: 1002 });
add("7.3.3", "a close with a code", { sent: [closed], closeCode: 1000 });
add("7.3.4", "a close with a reason", { sent: [clientClose(1000, "Hello")], closeCode: 1000 });
add("7.3.5", "a close with the longest reason", {
  sent: [clientClose(1000, "*".repeat(123))],
  closeCode: 1000,
});
add("7.3.6", "a close with a longer reason", {
  sent: [clientClose(1000, "*".repeat(124))],
  closeCode: 1002,
});
add("7.5.1", "a close with a reason that is not UTF-8", {
  sent: [clientClose(1000, BROKEN)],
  closeCode: 1007,
});
const CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
CODES.forEach((code, i) =>
  add(`7.7.${i + 1}`, `a close with ${code}`, { sent: [clientClose(code)], closeCode: code })
);
const NO_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
NO_CODES.forEach((code, i) =>
  add(`7.9.${i + 1}`, `a close with ${code}, which must not be sent`, {
    sent: [clientClose(code)],
    closeCode: 1002,
  })
);

// ---- 10: many small pieces

const long = new Uint8Array(65_536).fill(42);
add("10.1.1", "65,536 bytes in pieces of 1,300", {
  sent: inPieces(long, 1_300),
  echoed: [[TEXT, long]],
});

// ---- lengths, which that suite does not cover

for (const [id, payload, lengthBytes] of [["l.1", "x".repeat(125), 2], ["l.2", "", 8]] as const) {
  add(id, `${lengthBytes} bytes for a length of ${payload.length}`, {
    sent: [text(payload, { lengthBytes })],
    closeCode: 1002,
  });
}
add("l.3", "eight bytes for a length of 65,535", {
  sent: [text("x".repeat(65_535), { lengthBytes: 8 })],
  closeCode: 1002,
});
add("l.4", "a length of 2^63", { sent: [text("", { length: 2n ** 63n })], closeCode: 1002 });
add("l.5", "a frame without a mask", { sent: [text("a", { isMasked: false })], closeCode: 1002 });
add("l.6", "a length over the limit", {
  sent: [text("", { length: 2n ** 40n })],
  closeCode: 1009,
});

export function inPieces(payload: Uint8Array, size: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const fin = at + size >= payload.length;
    frames.push(clientFrame(at === 0 ? TEXT : CONTINUATION, payload.slice(at, at + size), { fin }));
  }
  return frames;
}

export const CONFORMANCE_CASES: readonly ConformanceCase[] = cases;
