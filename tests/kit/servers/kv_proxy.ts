/** An HTTP proxy in front of denokv that fails as real proxies do. */

import { freePort } from "../ports.ts";

/** Fractions of the answers, from 0 to 1, that are spoiled. denokv still does the work. */
export interface Spoilt {
  /** Answers 502 to commits that denokv has applied. */
  readonly commits502?: number;
  /** Cuts answers to reads, commits and watches in half and resets the connection. */
  readonly halves?: number;
}

export class KvHttpProxy implements AsyncDisposable {
  /** How often each kind of fault was injected. */
  readonly done = { commits502: 0, halves: 0, held: 0 };
  #spoilt: Spoilt = {};
  #failing = { keyPart: "", times: 0 };
  /** While this is set, answers wait for it. */
  #held: PromiseWithResolvers<void> | undefined;
  readonly #client = Deno.createHttpClient({ http2: false, http1: true });
  readonly #server: Deno.HttpServer;
  readonly #watches = new Set<AbortController>();

  private constructor(private readonly target: string, readonly port: number) {
    this.#server = Deno.serve({
      hostname: "127.0.0.1",
      port,
      onListen: () => {},
      onError: () => new Response(null, { status: 502 }),
    }, (request) => this.#answer(request));
  }

  static start(targetPort: number): Promise<KvHttpProxy> {
    return Promise.resolve(new KvHttpProxy(`http://127.0.0.1:${targetPort}`, freePort()));
  }

  spoil(spoilt: Spoilt): void {
    this.#spoilt = spoilt;
  }

  /** Answers 502 to the next `times` requests that contain `keyPart`, without forwarding them. */
  fail(keyPart: string, times: number): void {
    this.#failing = { keyPart, times };
  }

  /** How many requests are still to fail. */
  get failing(): number {
    return this.#failing.times;
  }

  /** Holds every answer back, until pass(). */
  stall(): void {
    this.#held ??= Promise.withResolvers<void>();
  }

  /** Ends spoiling and holding. */
  pass(): void {
    this.#spoilt = {};
    this.#held?.resolve();
    this.#held = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pass();
    for (const watch of this.#watches) watch.abort();
    await this.#server.shutdown();
    this.#client.close();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const kind = pathname.split("/").at(-1);
    const watch = new AbortController();
    if (kind === "watch") this.#watches.add(watch);
    const asked = await request.bytes();
    if (this.#failing.times > 0 && this.#names(asked)) {
      this.#failing.times--;
      return new Response("failed", { status: 502 });
    }
    const response = await fetch(this.target + pathname, {
      method: request.method,
      headers: request.headers,
      body: asked,
      client: this.#client,
      signal: watch.signal,
    });
    if (kind === "watch") {
      return new Response(this.#watched(response.body!), response);
    }
    const body = await response.bytes();
    if (this.#held) {
      this.done.held++;
      await this.#held.promise;
    }
    const { commits502 = 0, halves = 0 } = this.#spoilt;
    if (kind === "atomic_write" && Math.random() < commits502) {
      this.done.commits502++;
      return new Response("the answer was lost", { status: 502 });
    }
    if (Math.random() >= halves) return new Response(body, response);
    this.done.halves++;
    return new Response(half(body), response);
  }

  #names(asked: Uint8Array): boolean {
    // Key parts appear unencoded in a request.
    return new TextDecoder("latin1").decode(asked).includes(this.#failing.keyPart);
  }

  /** Forwards a watch; its frames may be cut in half, and wait while answers are held. */
  #watched(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    return body.pipeThrough(
      new TransformStream({
        transform: async (chunk, controller) => {
          await this.#held?.promise;
          if (Math.random() >= (this.#spoilt.halves ?? 0)) return controller.enqueue(chunk);
          this.done.halves++;
          controller.enqueue(chunk.subarray(0, chunk.length >> 1));
          controller.error(new Error("cut"));
        },
      }),
    );
  }
}

function half(body: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(body.subarray(0, body.length >> 1));
    },
    pull(controller) {
      controller.error(new Error("cut"));
    },
  });
}
