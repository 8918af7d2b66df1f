/** Query parameters: schemas that check them, and describe them in openapi.json. */

import { z } from "zod";

/** An invalid parameter; `code` is stable. */
export class QueryError extends Error {
  override readonly name = "QueryError";
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

/** A whole number; `page=` is the same as no `page`. */
export function whole(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z.string().regex(/^\d{1,9}$/, message).transform(Number)
    .pipe(z.int().min(min, message).max(max, message))
    .meta({ allowEmptyValue: true });
}

/** `1` or `true`, `0` or `false`. */
export function flag() {
  return z.enum(["1", "true", "0", "false"], { error: "must be 1 or 0" })
    .transform((word) => word === "1" || word === "true")
    .pipe(z.boolean())
    .meta({ allowEmptyValue: true }).default(false);
}

/** One of the given words; `message` lists them. */
export function word<const T extends readonly string[]>(words: T, message: string) {
  return z.enum(words, { error: message });
}

/**
 * Checks parameters by their schemas; uses the first value of a repeated one.
 * @throws {QueryError} `bad_<name>` for the first invalid one.
 */
export function parseQuery<T extends z.ZodRawShape>(
  query: URLSearchParams,
  schema: z.ZodObject<T>,
): z.infer<z.ZodObject<T>> {
  const given: Record<string, string> = {};
  for (const [name, kind] of Object.entries(schema.shape)) {
    const value = query.get(name);
    if (value !== null && !(value === "" && mayBeEmpty(kind))) given[name] = value;
  }
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue?.path[0]);
  throw new QueryError(`bad_${name}`, `${name} ${issue?.message}`);
}

function mayBeEmpty(kind: unknown): boolean {
  const inner = kind instanceof z.ZodOptional || kind instanceof z.ZodDefault
    ? kind.unwrap()
    : kind;
  return (inner as z.ZodType).meta()?.allowEmptyValue === true;
}
