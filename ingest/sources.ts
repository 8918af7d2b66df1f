/** Every kind of source. A new one is added here, and nowhere else outside its folder. */

import { AWS_IOT } from "./aws_iot/kind.ts";
import { KAFKA } from "./kafka/kind.ts";
import { MQTT } from "./mqtt/kind.ts";
import type { SourceKind } from "./runtime/source_kind.ts";
import { WEBSOCKET } from "./websocket/kind.ts";

export const SOURCES: readonly SourceKind[] = [MQTT, KAFKA, AWS_IOT, WEBSOCKET];
