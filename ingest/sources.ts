/** Every kind of source. A new one is added here, and nowhere else outside its folder. */

import type { SourceDeclaration } from "../config/source_declaration.ts";
import { AWS_IOT } from "./aws_iot/declaration.ts";
import { KAFKA } from "./kafka/declaration.ts";
import { MQTT } from "./mqtt/declaration.ts";
import { WEBSOCKET } from "./websocket/declaration.ts";

export const SOURCES: readonly SourceDeclaration[] = [MQTT, KAFKA, AWS_IOT, WEBSOCKET];
