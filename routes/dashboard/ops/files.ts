/** What the operator's page is made of, beside what both pages share. */

export const OPS_HTML = "";

export const OPS_FILES: Readonly<Record<string, string>> = {};
