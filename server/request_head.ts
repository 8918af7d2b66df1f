/** The head of a request that asks for a stream. */

/** Longer ones are left to Deno, which answers them. */
export const MAX_HEAD_BYTES = 16_384;

export interface RequestHead {
  /** As the client wrote it: the path and its query. */
  readonly target: string;
  readonly headers: Headers;
  readonly host: string;
}

const LINE = /^GET (\/[!-~]*) HTTP\/1\.1$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\t]*?)[ \t]*$/;
const HOST = /^(?:[0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
/** A request with a body, or that waits for an answer before it. */
const NOT_PLAIN = ["content-length", "transfer-encoding", "expect", "trailer"];

/** Where the head ends in `bytes`, with its empty line; undefined where it does not yet. */
export function endOfHead(bytes: Uint8Array, from = 0): number | undefined {
  for (let at = bytes.indexOf(13, from); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (at + 4 > bytes.length) return undefined;
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return undefined;
}

/**
 * Reads the head of a GET over HTTP/1.1 for `path`, and nothing else: undefined for every other
 * request and for whatever is unusual in this one, so that only one parser ever judges it.
 */
export function parseHead(text: string, path: string): RequestHead | undefined {
  const [line, ...fields] = text.slice(0, -4).split("\r\n");
  const target = LINE.exec(line!)?.[1];
  if (target === undefined || !isOf(target, path)) return undefined;
  const headers = new Headers();
  let host: string | undefined;
  for (const field of fields) {
    const parts = FIELD.exec(field);
    if (!parts) return undefined;
    const [, name, value] = parts;
    const known = name!.toLowerCase();
    if (NOT_PLAIN.includes(known)) return undefined;
    if (known === "host") {
      if (host !== undefined) return undefined;
      host = value!;
    }
    headers.append(known, value!);
  }
  if (host === undefined || !HOST.test(host)) return undefined;
  return { target, headers, host };
}

function isOf(target: string, path: string): boolean {
  if (!target.startsWith(path)) return false;
  return target.length === path.length || target[path.length] === "?";
}
