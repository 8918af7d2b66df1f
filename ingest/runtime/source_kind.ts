/** A kind of source, as its folder registers it: its configuration and how it is run. */

import type { z } from "zod";
import type { Config } from "../../config/config.ts";
import { declareSource, type SourceDeclaration } from "../../config/source_declaration.ts";

/** The instance that runs a source. */
export interface InstanceNames {
  readonly config: Config;
  readonly instance: string;
  readonly deploymentId: string;
  /** Whether anything handles messages from people. */
  readonly takesInbound: boolean;
}

export interface SourceKind<Section = unknown> extends SourceDeclaration<Section> {
  /** A module that calls `runSource()`. */
  readonly worker: URL;
  /** Whether only one instance at a time runs it in this mode. */
  isLeased(mode: Config["ingestMode"]): boolean;
  /** What the worker's `create()` gets; must survive a structured clone. */
  workerConfig(section: Section, names: InstanceNames): unknown;
}

type Running<Section> = Pick<SourceKind<Section>, "worker" | "isLeased" | "workerConfig">;

/** Checks that `section` reads the declared variables. */
export function defineSource<Section, Shape extends z.ZodRawShape>(
  kind: Parameters<typeof declareSource<Section, Shape>>[0] & Running<Section>,
): SourceKind<Section> {
  return declareSource<Section, Shape>(kind) as SourceKind<Section>;
}
