/// <reference lib="dom" />
import { type Api, problemOf } from "../shared/api.ts";
import { element, setText } from "../shared/dom.ts";
import { text } from "./texts.ts";

/** Sends a command to one device. */
export class CommandForm {
  readonly node: HTMLElement;
  readonly #input = element("textarea", {
    id: "command-input",
    rows: 3,
    spellcheck: "false",
    "aria-describedby": "command-help command-outcome",
  });
  readonly #outcome = element("p", { id: "command-outcome", class: "outcome", role: "status" });

  constructor(deviceId: string, request: Api["request"]) {
    this.#input.value = '{"action":""}';
    const send = element("button", { type: "submit", class: "button primary" }, text("send"));
    this.node = element(
      "form",
      { class: "command" },
      element("label", { for: "command-input" }, text("commandLabel")),
      element("p", { id: "command-help", class: "help" }, text("commandHelp")),
      this.#input,
      send,
      this.#outcome,
    );
    this.node.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!isJsonObject(this.#input.value)) return this.#tell(text("notJson"), true);
      send.disabled = true;
      await this.#send(`devices/${encodeURIComponent(deviceId)}/commands`, request);
      send.disabled = false;
    });
  }

  async #send(path: string, request: Api["request"]): Promise<void> {
    try {
      const response = await request(path, {
        method: "POST",
        body: this.#input.value,
        headers: { "content-type": "application/json" },
      });
      if (response.ok) return this.#tell(text(response.status === 202 ? "buffered" : "sent"));
      this.#tell(text("notSent", { reason: await problemOf(response) }), true);
    } catch (error) {
      this.#tell(text("notSent", { reason: String(error) }), true);
    }
  }

  #tell(words: string, wrong = false): void {
    setText(this.#outcome, words);
    this.#outcome.classList.toggle("wrong", wrong);
  }
}

function isJsonObject(input: string): boolean {
  try {
    const value = JSON.parse(input);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
