/** What a page of this server may load: its own files, and no inline code. */

export interface PagePolicy {
  /** Image sources besides this server: `https://tiles.example.com`. */
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

/**
 * For answers that are not pages: no frame may show them. Their type already keeps them from
 * running anything.
 */
export const NO_PAGE = "frame-ancestors 'none'";
