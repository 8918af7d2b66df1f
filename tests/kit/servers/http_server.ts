/** A real HTTP server that stands in for an external service and records its requests. */

import { freePort } from "../ports.ts";
import { Recorder } from "../recorder.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

export type Answer = (asked: Asked, request: Request) => Response | Promise<Response>;

export class HttpServer implements AsyncDisposable {
  readonly asked: Recorder<Asked>;
  readonly port: number;
  #server: Deno.HttpServer | undefined;

  private constructor(name: string, private readonly answer: Answer) {
    this.asked = new Recorder(name);
    this.port = freePort();
    this.accept();
  }

  /** Answers 200 with `{}` by default. */
  static start(name: string, answer: Answer = () => Response.json({})): HttpServer {
    return new HttpServer(name, answer);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Listens again, on the same port. */
  accept(): void {
    this.#server ??= Deno.serve(
      { port: this.port, hostname: "127.0.0.1", onListen() {} },
      async (request) => {
        const { pathname, search } = new URL(request.url);
        const upgrade = request.headers.has("upgrade");
        const asked = {
          method: request.method,
          path: pathname + search,
          headers: request.headers,
          body: upgrade ? "" : await request.text(),
        };
        this.asked.add(asked);
        return await this.answer(asked, request);
      },
    );
  }

  /** Refuses connections, until accept(). */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse();
  }
}
