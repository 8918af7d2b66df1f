/** The scopes of tokens. */

/** `admin` includes all the others. */
export const SCOPES = ["stream", "publish", "ack", "metrics", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

/** Whether a token with these scopes may do what requires `scope`. */
export function hasScope(scopes: ReadonlySet<string>, scope: Scope): boolean {
  return scopes.has(scope) || scopes.has("admin");
}
