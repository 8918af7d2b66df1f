/** Reads and checks the JSON body of a request. */

import type { Context } from "hono";
import type { z } from "zod";
import { faultText } from "./fault_text.ts";
import { excessOf } from "./json_size.ts";
import { ProblemError } from "./problem.ts";

/** @throws {ProblemError} 400 that names the invalid field. */
export async function jsonBody<T extends z.ZodType>(c: Context, schema: T): Promise<z.infer<T>> {
  const text = await c.req.text();
  const excess = excessOf(text);
  if (excess) {
    throw new ProblemError({ status: 400, code: "bad_json", detail: `The body has ${excess}` });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProblemError({ status: 400, code: "bad_json", detail: "The body is not JSON" });
  }
  const parsed = schema.safeParse(value, { error: faultText });
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join(".")}: ${message}` : `The body ${message}`
  );
  throw new ProblemError({ status: 400, code: "bad_body", detail: issues.join("; ") });
}
