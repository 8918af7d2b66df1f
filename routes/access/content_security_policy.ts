/** What a page of this server may load: its own files, and nothing that is written into the page. */

export interface PagePolicy {
  /** Where images may come from, beside this server: `https://tiles.example.com`. */
  readonly images?: readonly string[];
  /** A page without scripts. */
  readonly scripts?: false;
}

/** The value of `content-security-policy` for a page. */
export function contentSecurityPolicy({ images = [], scripts }: PagePolicy = {}): string {
  return [
    "default-src 'none'",
    ...(scripts === false ? [] : ["script-src 'self'", "connect-src 'self'"]),
    "style-src 'self'",
    ["img-src 'self' data:", ...images].join(" "),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
  ].join("; ");
}

/** What is no page is shown in no frame; it runs nothing, since its type says what it is. */
export const NO_PAGE = "frame-ancestors 'none'";
