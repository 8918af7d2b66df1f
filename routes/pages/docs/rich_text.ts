/** Descriptions as HTML, with Markdown's code spans and links. */

import { raw } from "hono/html";

export function rich(text: string) {
  const safe = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
  return raw(
    safe.replace(/`([^`]+)`/g, "<code>$1</code>")
      .replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, '<a href="$2">$1</a>'),
  );
}
