/** Describes what a zod schema refuses, for the client that sent it. */

import type { z } from "zod";

const KINDS: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  int: "a whole number",
  object: "a JSON object",
  record: "a JSON object",
  string: "a text",
};

/**
 * For `safeParse(value, { error: faultText })`; a message in the schema itself takes precedence.
 */
export const faultText: z.core.$ZodErrorMap = (issue) => {
  if (issue.input === undefined) return "is missing";
  switch (issue.code) {
    case "invalid_type":
      return `must be ${KINDS[issue.expected] ?? `a ${issue.expected}`}`;
    case "too_small":
      if (issue.origin !== "string" && issue.origin !== "array") {
        return `must be ${issue.inclusive ? "at least" : "above"} ${issue.minimum}`;
      }
      return "must not be empty";
    case "too_big":
      if (issue.origin === "string") return `must have at most ${issue.maximum} characters`;
      return `must be at most ${issue.maximum}`;
    case "unrecognized_keys":
      return `must not have ${issue.keys.join(", ")}`;
  }
  return undefined;
};
