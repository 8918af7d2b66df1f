/// <reference lib="dom" />
import { storedToken, storeToken } from "./preferences.ts";

/** The server's API, called with the token of this tab. */
export class Api {
  #token: string | undefined = storedToken();

  get token(): string | undefined {
    return this.#token;
  }

  set token(token: string | undefined) {
    this.#token = token;
    storeToken(token);
  }

  /** The address of a route below `/api/v1/`, at whatever path a proxy serves the page. */
  address(path: string): URL {
    return new URL(`api/v1/${path}`, document.baseURI);
  }

  /** The status of the answer may be other than 2xx. */
  readonly request = (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (this.#token !== undefined) headers.set("authorization", `Bearer ${this.#token}`);
    return fetch(this.address(path), { ...init, headers });
  };
}

/** The server's reason for refusing a request. */
export async function problemOf(response: Response): Promise<string> {
  const problem = await response.json().catch(() => ({}));
  return problem.detail ?? problem.title ?? `HTTP ${response.status}`;
}
