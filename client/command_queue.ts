/** A change of the subscription, to be sent to the server. */
export interface Command {
  readonly action: "subscribe" | "unsubscribe";
  readonly device_ids: readonly string[];
  readonly since?: string | undefined;
  readonly snapshot?: boolean | undefined;
}

interface Entry {
  readonly command: Command;
  resolve(): void;
  reject(error: Error): void;
  /** `sent` waits for `subscribed`, `replaying` for the end of the replay. */
  stage: "queued" | "sent" | "replaying";
}

/** The commands of one client. Only one at a time is sent, since answers do not name a command. */
export class CommandQueue {
  readonly #entries: Entry[] = [];

  /** Resolves when the server has accepted the command. */
  add(command: Command): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#entries.push({ command, resolve, reject, stage: "queued" });
    });
  }

  /** Sends the next command, unless one is still unanswered. */
  flush(send: (command: Command) => boolean): void {
    const head = this.#entries[0];
    if (head?.stage === "queued" && send(head.command)) head.stage = "sent";
  }

  /** The server has accepted the first command. */
  accepted(): void {
    const head = this.#entries[0];
    if (head?.stage !== "sent") return;
    head.resolve();
    if (head.command.since === undefined) this.#entries.shift();
    else head.stage = "replaying";
  }

  /** The replay of the first command is over. */
  replayed(): void {
    if (this.#entries[0]?.stage === "replaying") this.#entries.shift();
  }

  /** The server has refused the first command; false if none was sent. */
  refused(error: Error): boolean {
    if (this.#entries[0]?.stage !== "sent") return false;
    this.#entries.shift()!.reject(error);
    return true;
  }

  /**
   * The connection is gone. Removes the `plain` commands, which the next connection can apply from
   * its start; commands with their own cursor stay, to be sent again. `unfinished` are the devices
   * whose replay had begun.
   */
  interrupted(): { plain: Entry[]; unfinished: string[] } {
    const entries = this.#entries.splice(0);
    const plain = entries.filter(({ command }) => command.since === undefined);
    const own = entries.filter(({ command }) => command.since !== undefined);
    const unfinished = own.flatMap(({ stage, command }) =>
      stage === "replaying" ? command.device_ids : []
    );
    for (const entry of own) entry.stage = "queued";
    this.#entries.push(...own);
    return { plain, unfinished };
  }

  /** What `ids` will be once all commands are accepted. */
  outcome(ids: ReadonlySet<string>): ReadonlySet<string> {
    return this.#entries.reduce((set, { command }) => applied(command, set), ids);
  }

  /**
   * Settles all commands: rejects with `error`, or resolves if the client was closed on purpose.
   */
  end(error: Error | undefined): void {
    for (const { resolve, reject } of this.#entries.splice(0)) error ? reject(error) : resolve();
  }
}

/** The subscription `ids` after a command. */
export function applied({ action, device_ids }: Command, ids: ReadonlySet<string>): Set<string> {
  if (action === "subscribe") return new Set([...ids, ...device_ids]);
  return new Set([...ids].filter((id) => !device_ids.includes(id)));
}
