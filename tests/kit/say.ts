/** Prints a line of measured results to the test's output. */
export function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`  ${text}\n`));
}
