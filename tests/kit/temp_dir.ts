/** A folder that is deleted at the end of its test. */

export class TempDir implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async create(prefix = "telecast-"): Promise<TempDir> {
    return new TempDir(await Deno.makeTempDir({ prefix }));
  }

  join(...parts: string[]): string {
    return [this.path, ...parts].join("/");
  }

  /** Writes a file into the folder and returns its path. */
  async write(name: string, text: string): Promise<string> {
    const path = this.join(name);
    await Deno.writeTextFile(path, text);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}
