/** The service inside the program: uses the workers and the store, and feeds the stream. */

import type { OpenStore } from "../../broker/log/open.ts";
import type { Config } from "../../config/config.ts";
import type { Supervisor } from "../runtime/supervisor.ts";
import type { AwsIotConfig } from "./kind.ts";
import { KvBuffer } from "./kv_buffer.ts";
import { AwsIotService } from "./service.ts";
import { serviceConfigOf } from "./service_config.ts";
import { WorkerLink } from "./worker_link.ts";

export interface ProgramServiceOptions {
  readonly config: Config;
  readonly awsIot: AwsIotConfig;
  readonly store: OpenStore;
  /** Makes the source's supervisor without starting it; it reports its states to `onState`. */
  addSource(onState: OnState): Promise<Supervisor>;
  /** The same for a connection that only publishes. */
  makePublisher(onState: OnState): Supervisor;
}

type OnState = WorkerLink["onSourceState"];

/** Connects {@linkcode AwsIotService} to the workers and the store. */
export class ProgramService {
  readonly service: AwsIotService;
  readonly #link: WorkerLink;

  constructor(private readonly options: ProgramServiceOptions) {
    const { config, store, awsIot } = options;
    const settings = serviceConfigOf(awsIot);
    this.#link = new WorkerLink(() =>
      options.makePublisher((state) => this.#link.onPublisherState(state))
    );
    const { kv, fanout } = store;
    this.service = new AwsIotService(
      {
        ...settings,
        commandTopicPrefix: config.commandTopicPrefix,
        maxPayloadBytes: config.maxMessageBytes,
        // In shadow mode the other system sends the keepalives.
        ...(config.shadow && { keepaliveMs: 0 }),
      },
      {
        link: this.#link,
        ...(kv && { buffer: (onDropped) => new KvBuffer(kv, { onDropped }) }),
        onPublished: async ({ id, deviceId, payload, joinsStream }) => {
          // With its id, a message that is published again after a crash joins only once.
          if (joinsStream) await fanout.publish([{ deviceId, payload, uuid: id }]);
        },
      },
    );
  }

  /** Makes the source and starts the service. The owner of the lease starts the source. */
  async start(): Promise<Supervisor> {
    const source = await this.options.addSource((state) => this.#link.onSourceState(state));
    this.#link.source = source;
    this.service.start();
    return source;
  }
}
