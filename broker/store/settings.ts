/** Small settings that outlive a process, stored beside the log. */

import type { KvClient } from "./kv_client.ts";
import { settingKey } from "./kv_keys.ts";
import { decodeJson, encodeJson } from "./stored_json.ts";

/** Without a store, keeps values for the life of the process. */
export class Settings {
  readonly #memory = new Map<string, unknown>();

  constructor(private readonly kv?: KvClient) {}

  /** The parsed JSON value; undefined if there is none. */
  async get(name: string): Promise<unknown> {
    if (!this.kv) return this.#memory.get(name);
    const entry = await this.kv.get(settingKey(name));
    return entry && decodeJson(entry.value);
  }

  async set(name: string, value: unknown): Promise<void> {
    if (!this.kv) this.#memory.set(name, value);
    else {
      await this.kv.commit({
        checks: [],
        sets: [{ key: settingKey(name), value: encodeJson(value) }],
      });
    }
  }
}
