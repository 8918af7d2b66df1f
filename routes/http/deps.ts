/** What the routes need of the program. */

import type { Companies } from "../../broker/cluster/companies.ts";
import type { InboundServer } from "../../broker/deliveries/inbound_server.ts";
import type { DeliveryQueue } from "../../broker/deliveries/queue.ts";
import type { Instances } from "../../broker/cluster/instances.ts";
import type { Revocations } from "../../broker/cluster/revocations.ts";
import type { Hub } from "../../broker/streams/hub.ts";
import type { Fanout } from "../../broker/log/fanout.ts";
import type { Config } from "../../config/read.ts";
import type { AwsIotService } from "../../ingest/aws_iot/service.ts";
import type { SourceStatus } from "../../ingest/ingest.ts";
import type { Outgoing } from "../../ingest/runtime/source.ts";
import type { Health } from "../../telemetry/health.ts";
import type { Registry } from "@prometheus-io/client";
import type { ConnectionCount } from "./connection_count.ts";

export interface AppDeps {
  readonly config: Config;
  readonly hub: Hub;
  readonly fanout: Fanout;
  readonly health: Health;
  /** Streams of this process, whatever its threads. */
  readonly connections: ConnectionCount;
  /** Names this instance. */
  readonly instance: string;
  /** All instances of the deployment. */
  readonly instances: Instances;
  /** Who has the ingest lease; undefined where none is used. */
  leaseOwner(): string | undefined;
  readonly companies: Companies;
  /** Tokens that are no longer good. */
  readonly revocations: Revocations;
  /** Work for the backend and WhatsApp; undefined beside a system that does it. */
  readonly deliveries: DeliveryQueue | undefined;
  /** Takes messages from people; undefined where nothing is delivered. */
  readonly inbound: InboundServer | undefined;
  sources(): readonly SourceStatus[];
  /** Publishes at the MQTT broker, resolves after its ack; undefined where there is none. */
  readonly publish?: ((message: Outgoing, timeoutMs: number) => Promise<void>) | undefined;
  /** Figures of all of these; made where it is not given. */
  readonly registry?: Registry | undefined;
  /** Publishes at AWS IoT Core; undefined where it is not configured. */
  readonly awsIot?: AwsIotService | undefined;
}
