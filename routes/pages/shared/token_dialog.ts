/// <reference lib="dom" />
import { byId } from "./dom.ts";
import { text } from "./texts.ts";

/** Asks the user for a token, when the server requires one or the user has another. */
export class TokenDialog {
  readonly #dialog = byId<HTMLDialogElement>("token-dialog");
  readonly #input = byId<HTMLInputElement>("token-input");
  readonly #error = byId("token-error");
  /** Callers that wait for a token; closing the dialog does not end their wait. */
  #waiting: ((token: string) => void)[] = [];

  /** @param onToken Takes a token that no caller asked for. */
  constructor(onToken: (token: string) => void) {
    byId("token-button").addEventListener("click", () => this.#show(""));
    byId("token-cancel").addEventListener("click", () => this.#dialog.close());
    byId<HTMLFormElement>("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const token = this.#input.value.trim();
      if (!token) return;
      this.#input.value = "";
      this.#dialog.close();
      const waiting = this.#waiting;
      this.#waiting = [];
      if (waiting.length === 0) onToken(token);
      for (const resolve of waiting) resolve(token);
    });
  }

  /** @param options `refused`: the previous token was refused. `error`: a more specific reason. */
  ask({ refused = false, error }: { refused?: boolean; error?: string }): Promise<string> {
    this.#show(error ?? (refused ? text("tokenRefused") : ""));
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #show(error: string): void {
    this.#error.textContent = error;
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#input.focus();
  }
}
