/** Zod schemas for values in the environment. Messages follow the variable's name. */

import { z } from "zod";

const words = (value: string) => value.split(",").map((word) => word.trim()).filter(Boolean);

export const text = () => z.string().trim();

/** At least one word, separated by commas. */
export const list = () =>
  text().transform(words).refine((all) => all.length > 0, "contains only commas");

export function whole(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return text().regex(/^\d{1,15}$/, message).transform(Number)
    .refine((value) => value >= min && value <= max, message);
}

export const seconds = (min = 1) => whole(min, 31_536_000);

export const flag = () =>
  text().toLowerCase().pipe(
    z.enum(["true", "false", "1", "0", "yes", "no"], { error: "must be true or false" }),
  ).transform((word) => word === "true" || word === "1" || word === "yes");

/** One of several words, in any case. */
export function choice<const T extends readonly [string, ...string[]]>(...allowed: T) {
  const error = `must be ${allowed.slice(0, -1).join(", ")} or ${allowed.at(-1)}`;
  return text().toLowerCase().pipe(z.enum(allowed, { error }));
}

export function url(...schemes: string[]) {
  const message = `must be a URL that starts with ${schemes.map((s) => `${s}://`).join(" or ")}`;
  return text().refine((value) => {
    const parsed = URL.parse(value);
    return parsed !== null && schemes.includes(parsed.protocol.slice(0, -1));
  }, message);
}

/** `host`, `host:port`, `[v6]` or `[v6]:port`. */
export function hostAndPort(
  value: string,
  defaultPort: number,
  context: z.RefinementCtx,
): { host: string; port: number } {
  const parts = /^(\[[0-9a-fA-F:.]+\]|[^\s:/@[\]]+)(?::(\d{1,5}))?$/.exec(value);
  const port = Number(parts?.[2] ?? defaultPort);
  if (!parts || port < 1 || port > 65_535) {
    context.addIssue("must be host or host:port");
    return { host: "", port: defaultPort };
  }
  return { host: parts[1]!, port };
}
