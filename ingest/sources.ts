/** Every kind of source. Outside its own folder, a new one is added only here. */

import { AWS_IOT } from "./aws_iot/kind.ts";
import { KAFKA } from "./kafka/kind.ts";
import { MQTT } from "./mqtt/kind.ts";
import type { SourceKind } from "./runtime/source_kind.ts";
import { WEBSOCKET } from "./websocket/kind.ts";

export const SOURCES: readonly SourceKind[] = [MQTT, KAFKA, AWS_IOT, WEBSOCKET];
