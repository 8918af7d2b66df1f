/** A disk that is full when a test says so. */

import { TempDir } from "../temp_dir.ts";
import { TestProcess } from "./process.ts";

export interface FullDisk extends AsyncDisposable {
  readonly name: string;
  /** The working directory of a program whose `./data` lies on the disk. */
  readonly cwd: string;
  /** What the program has to be started with. */
  readonly wrapper: readonly string[];
  /** Nothing more can be written by this process. */
  fill(pid: number): Promise<void>;
  free(pid: number): Promise<void>;
}

const MEGABYTES = 8;

/** A file system of its own; undefined where this user may not mount one. */
export async function smallDisk(): Promise<FullDisk | undefined> {
  const dir = await TempDir.create("disk-");
  const data = dir.join("data");
  await Deno.mkdir(data);
  const mounted = await TestProcess.run("mount", {
    args: ["-t", "tmpfs", "-o", `size=${MEGABYTES}m`, "telecast-test", data],
  }).then(() => true, () => false);
  if (!mounted) {
    await dir[Symbol.asyncDispose]();
    return undefined;
  }
  const filler = `${data}/filler`;
  return {
    name: `a disk of ${MEGABYTES} MB`,
    cwd: dir.path,
    wrapper: [],
    async fill() {
      using file = await Deno.open(filler, { write: true, create: true });
      const block = new Uint8Array(4096);
      // Until the disk takes no more.
      while (await file.write(block).then(() => true, () => false));
    },
    free: () => Deno.remove(filler),
    async [Symbol.asyncDispose]() {
      await TestProcess.run("umount", { args: ["--lazy", data] });
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** A limit on the size of the files that the program writes: needs no rights. */
export async function fileSizeLimit(): Promise<FullDisk> {
  const dir = await TempDir.create("limit-");
  const limit = async (pid: number, bytes: string) => {
    await TestProcess.run("prlimit", { args: [`--pid=${pid}`, `--fsize=${bytes}:`] });
  };
  return {
    name: "a limit on the size of files",
    cwd: dir.path,
    // The signal that comes with the error would end the program.
    wrapper: ["sh", "-c", `trap '' XFSZ; exec "$@"`, "sh"],
    fill: (pid) => limit(pid, "1"),
    free: (pid) => limit(pid, "unlimited"),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}
