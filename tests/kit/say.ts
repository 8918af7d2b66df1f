/** A line for whoever reads the output of a test: the figures that it counted. */
export function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`  ${text}\n`));
}
