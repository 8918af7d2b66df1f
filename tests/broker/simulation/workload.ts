/** What devices send: new messages, repeats, alarms with jobs, and sometimes large messages. */

import type { Entry } from "../../../broker/messages/message.ts";
import type { Random } from "./random.ts";

export class Workload {
  readonly devices: readonly string[];
  /** Messages without an answer: a source sends them again. */
  readonly orphans: Entry[] = [];
  readonly #recent: Entry[] = [];
  readonly #padding: number;
  #count = 0;

  constructor(private readonly random: Random) {
    this.devices = Array.from({ length: random.int(1, 6) }, (_, i) => `d${i}`);
    this.#padding = random.chance(0.03) ? 25_000 : random.pick([0, 100]);
  }

  batch(): Entry[] {
    const { random } = this;
    if (this.orphans.length > 0 && random.chance(0.5)) {
      return this.orphans.splice(0, random.int(1, 6));
    }
    return Array.from({ length: random.int(1, 4) }, () => this.#entry());
  }

  #entry(): Entry {
    const { random } = this;
    if (this.#recent.length > 0 && random.chance(0.15)) {
      const repeat = random.pick(this.#recent);
      const deviceId = random.chance(0.7) ? repeat.deviceId : random.pick(this.devices);
      return { ...repeat, deviceId };
    }
    const n = this.#count++;
    const uuid = random.chance(0.8) ? `u${n}` : undefined;
    const deviceId = random.pick(this.devices);
    const padding = "x".repeat(random.chance(0.3) ? this.#padding : 0);
    const payload = JSON.stringify({ n, uuid, padding });
    const job = random.chance(0.1) ? { partition: `${n}`, body: payload } : undefined;
    const entry = { deviceId, payload, uuid, job };
    this.#recent.push(entry);
    if (this.#recent.length > 20) this.#recent.shift();
    return entry;
  }
}
