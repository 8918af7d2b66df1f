/** What a kind of source declares to the configuration. The configuration imports no source. */

import type { z } from "zod";
import type { Config } from "./config.ts";
import type { Problem, SectionContext } from "./problem.ts";

/** A kind of source; `Section` is its part of the configuration. */
export interface SourceDeclaration<Section = unknown> {
  /** Its name in the configuration, logs, stats and metrics, e.g. `mqtt`. */
  readonly name: string;
  /** Flags that select it; the first one selects it alone. */
  readonly flags: readonly [string, ...string[]];
  /** Its variables and their schemas. */
  readonly variables: z.ZodRawShape;
  /** It is configured if one of these is set. */
  readonly addresses: readonly string[];
  /** Variables that do nothing without an address. */
  readonly unusedWithoutAddress?: readonly string[];
  /** True if a WebSocket without `device_ids` gets every device when this is the only source. */
  readonly streamsEveryDevice?: boolean;
  /** Its block of `--help`. */
  readonly help: string;
  /** Undefined if it is not configured; reports combinations that do not fit together. */
  section(
    variables: Readonly<Record<string, unknown>>,
    context: SectionContext,
  ): Section | undefined;
  /** Checks that are made only if the source is started, such as those of its files. */
  check?(section: Section): readonly Problem[];
  /** One line without secrets: what it connects to. */
  summary(section: Section, config: Config): string;
}

/** Lets the compiler check that `section` reads the declared variables. */
export function declareSource<Section, Shape extends z.ZodRawShape>(
  declaration: Omit<SourceDeclaration<Section>, "variables" | "section"> & {
    readonly variables: Shape;
    section(
      variables: z.infer<z.ZodObject<Shape>>,
      context: SectionContext,
    ): Section | undefined;
  },
): SourceDeclaration<Section> {
  return declaration as unknown as SourceDeclaration<Section>;
}

/** The section of a source; undefined if it is not configured, or excluded by a flag. */
export function sectionOf<Section>(
  { sources }: Pick<Config, "sources">,
  { name }: SourceDeclaration<Section>,
): Section | undefined {
  return sources.get(name) as Section | undefined;
}
