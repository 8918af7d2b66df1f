/**
 * What the routes need from the program.
 *
 * The http room: what every group of routes shares. It imports ingest/, broker/, config/ and
 * telemetry/, and no other group of routes.
 */

import type { Companies } from "../../broker/cluster/companies.ts";
import type { InboundServer } from "../../broker/deliveries/inbound_server.ts";
import type { DeliveryQueue } from "../../broker/deliveries/queue.ts";
import type { Instances } from "../../broker/cluster/instances.ts";
import type { Revocations } from "../../broker/cluster/revocations.ts";
import type { Hub } from "../../broker/streams/hub.ts";
import type { Fanout } from "../../broker/log/fanout.ts";
import type { Config } from "../../config/config.ts";
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
  /** Streams of this process, over all threads. */
  readonly connections: ConnectionCount;
  /** The name of this instance. */
  readonly instance: string;
  /** All instances of the deployment. */
  readonly instances: Instances;
  /** Which instance has the ingest lease; undefined if no lease is used. */
  leaseOwner(): string | undefined;
  readonly companies: Companies;
  /** Revoked tokens. */
  readonly revocations: Revocations;
  /** Work for the backend and WhatsApp; undefined if another system does it (`--shadow`). */
  readonly deliveries: DeliveryQueue | undefined;
  /** Takes messages from people; undefined if nothing is delivered. */
  readonly inbound: InboundServer | undefined;
  sources(): readonly SourceStatus[];
  /** Publishes to the MQTT broker, resolves after its ack; undefined if there is no broker. */
  readonly publish?: ((message: Outgoing, timeoutMs: number) => Promise<void>) | undefined;
  /** Metrics of all of these; created if not given. */
  readonly registry?: Registry | undefined;
  /** Publishes to AWS IoT Core; undefined if it is not configured. */
  readonly awsIot?: AwsIotService | undefined;
}
