/** A change of the subscription, on its way to the server. */
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
  /** Waiting for `subscribed`, then for the end of its replay. */
  stage: "queued" | "sent" | "replaying";
}

/** The commands of one client: one at a time is with the server, since answers name no command. */
export class CommandQueue {
  readonly #entries: Entry[] = [];

  /** Resolves when the server has taken the command. */
  add(command: Command): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#entries.push({ command, resolve, reject, stage: "queued" });
    });
  }

  /** Sends the next command, if none is with the server. */
  flush(send: (command: Command) => boolean): void {
    const head = this.#entries[0];
    if (head?.stage === "queued" && send(head.command)) head.stage = "sent";
  }

  /** The server has taken the head. */
  accepted(): void {
    const head = this.#entries[0];
    if (head?.stage !== "sent") return;
    head.resolve();
    if (head.command.since === undefined) this.#entries.shift();
    else head.stage = "replaying";
  }

  /** The replay that the head asked for is over. */
  replayed(): void {
    if (this.#entries[0]?.stage === "replaying") this.#entries.shift();
  }

  /** The server has refused the head; false where there is none that it could mean. */
  refused(error: Error): boolean {
    if (this.#entries[0]?.stage !== "sent") return false;
    this.#entries.shift()!.reject(error);
    return true;
  }

  /**
   * The connection is gone. Takes out the `plain` commands, which the next one can follow from its
   * start; those with a cursor of their own stay, to be sent again. `unfinished` are the devices
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

  /** What `ids` will be once all commands are taken. */
  outcome(ids: ReadonlySet<string>): ReadonlySet<string> {
    return this.#entries.reduce((set, { command }) => applied(command, set), ids);
  }

  /** Settles all commands: by `error`, or as done where the client was closed on purpose. */
  end(error: Error | undefined): void {
    for (const { resolve, reject } of this.#entries.splice(0)) error ? reject(error) : resolve();
  }
}

/** The subscription `ids` after a command. */
export function applied({ action, device_ids }: Command, ids: ReadonlySet<string>): Set<string> {
  if (action === "subscribe") return new Set([...ids, ...device_ids]);
  return new Set([...ids].filter((id) => !device_ids.includes(id)));
}
