/** A store behind a URL: denokv, or a database of Deno Deploy. */

import { makeRemoteService } from "@deno/kv";

import { StoreDamagedError } from "./kv_client.ts";

/**
 * Calls are aborted some time after their time limit, so that a stalled server does not pile up
 * sockets.
 */
const CUT_OFF_MS = 10_000;

/**
 * Opens the store over HTTP/1.1. Deno's own client speaks HTTP/2 with Nagle's algorithm on, which
 * delays most commits and wakes by 40 ms; see docs/decisions.
 */
export async function openRemoteKv(url: string, accessToken: string): Promise<Deno.Kv> {
  const client = Deno.createHttpClient({ http2: false, http1: true, poolMaxIdlePerHost: 16 });
  try {
    const service = makeRemoteService({
      accessToken,
      // Every value is a bare Uint8Array: nothing is ever serialized.
      encodeV8: refuse,
      decodeV8: refuse,
      fetcher: fetcher(client),
      // The fanout itself repeats a commit whose answer was lost.
      maxRetries: 0,
    });
    const kv = await service.openKv(url) as unknown as Deno.Kv;
    const close = kv.close.bind(kv);
    kv.close = () => {
      close();
      client.close();
    };
    return kv;
  } catch (error) {
    client.close();
    throw error;
  }
}

function fetcher(client: Deno.HttpClient): typeof fetch {
  return async (input, init) => {
    const watch = String(input).endsWith("/watch");
    const signal = watch ? undefined : AbortSignal.timeout(CUT_OFF_MS);
    const response = await fetch(input, { ...init, client, ...(signal ? { signal } : {}) });
    if (!watch || !response.body) return response;
    return Object.defineProperty(response, "body", { value: watchBody(response.body) });
  };
}

/**
 * The part of a watch's body that the library uses. A read throws when the body ends: the library
 * itself would wait for up to a minute before it watches again, but the code that catches the error
 * does so at once. A cancel never fails: on closing, the library also cancels what has failed
 * before, and does not catch the error.
 */
function watchBody(body: ReadableStream<Uint8Array>) {
  return {
    getReader() {
      const reader = body.getReader();
      return {
        async read() {
          const result = await reader.read();
          if (result.done) throw new Error("the store closed the watch");
          return result;
        },
        cancel: () => reader.cancel().catch(() => {}),
      };
    },
  };
}

function refuse(): never {
  throw new StoreDamagedError("The store holds foreign data");
}
