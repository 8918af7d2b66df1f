/** Reads and checks the JSON body of a request. */

import type { Context } from "hono";
import type { z } from "zod";
import { faultText } from "./fault_text.ts";
import { ProblemError } from "./problem.ts";

const BODY_MS = 10_000;

/** @throws {ProblemError} 400 that names the field which is wrong. */
export async function jsonBody<T extends z.ZodType>(c: Context, schema: T): Promise<z.infer<T>> {
  const text = await textOf(c);
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

/** The text of a body that comes within a time: a client that dawdles holds a connection. */
async function textOf(c: Context): Promise<string> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(
        new ProblemError({
          status: 408,
          code: "body_timeout",
          detail: `The body did not come within ${BODY_MS / 1000} s`,
          headers: { connection: "close" },
        }),
      );
    }, BODY_MS);
  });
  try {
    return await Promise.race([c.req.text(), late]);
  } finally {
    clearTimeout(timer);
  }
}
