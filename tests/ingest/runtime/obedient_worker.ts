/** A source that does what publish() tells it, including failures. */

import { runSource } from "../../../ingest/runtime/worker_runtime.ts";
import type {
  Intake,
  Outgoing,
  Source,
  SourceContext,
  SourceState,
} from "../../../ingest/runtime/source.ts";

export interface ObedientConfig {
  /** Fails on start as long as this file exists. */
  readonly failWhile?: string;
}

class ObedientSource implements Source {
  #intake!: Intake;
  #onState!: (state: SourceState) => void;

  constructor(
    private readonly config: ObedientConfig,
    private readonly context: SourceContext,
  ) {}

  start(intake: Intake, onState: (state: SourceState) => void): void {
    this.#intake = intake;
    this.#onState = onState;
    const { failWhile } = this.config;
    if (failWhile !== undefined && exists(failWhile)) throw new Error("told to fail at the start");
    intake.log("info", `previous topics: ${this.context.previousTopics.join()}`);
    onState({ state: "connected" });
  }

  publish({ topic, payload }: Outgoing): Promise<void> {
    switch (topic) {
      case "receive":
        for (const name of payload.split(",")) {
          const bytes = new TextEncoder().encode(name === "bad" ? "{" : `{"device_id":"${name}"}`);
          this.#intake.receive(
            bytes,
            { topic: "t" },
            () => this.#intake.log("info", `ack ${name}`),
          );
        }
        return Promise.resolve();
      case "marked":
        for (const [name, partition, offset] of payload.split(",").map((one) => one.split(":"))) {
          const sourceOffset = partition && { key: keyOf(partition), offset: Number(offset) };
          const bytes = new TextEncoder().encode(`{"device_id":"${name}"}`);
          this.#intake.receive(bytes, { topic: "t", ...(sourceOffset && { sourceOffset }) });
        }
        return Promise.resolve();
      case "subscribed":
        this.context.onSubscribed(payload.split(","));
        return Promise.resolve();
      case "reconnect":
        this.#onState({ state: "waiting", reason: payload, retryMs: 1 });
        this.#onState({ state: "connected" });
        return Promise.resolve();
      case "wait":
        return new Promise((resolve) => setTimeout(resolve, Number(payload)));
      case "throw":
        setTimeout(() => {
          throw new Error(payload);
        });
        return new Promise(() => {});
      case "reject":
        Promise.reject(new Error(payload));
        return new Promise(() => {});
      case "close":
        self.close();
        return new Promise(() => {});
      case "hang":
        return hang();
      default:
        return Promise.reject(new Error(`cannot ${topic}`));
    }
  }

  detail() {
    return { obedient: true };
  }

  stop(): Promise<void> {
    this.#onState({ state: "stopped" });
    return Promise.resolve();
  }
}

const keys = new Map<string, readonly string[]>();

function keyOf(partition: string): readonly string[] {
  const key = keys.get(partition) ?? ["test", partition];
  keys.set(partition, key);
  return key;
}

function hang(): never {
  for (;;);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

runSource<ObedientConfig>({ create: (config, context) => new ObedientSource(config, context) });
