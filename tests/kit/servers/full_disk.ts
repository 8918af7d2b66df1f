/** A disk that a test can fill. */

import { TempDir } from "../temp_dir.ts";
import { TestProcess } from "./process.ts";

export interface FullDisk extends AsyncDisposable {
  readonly name: string;
  /** The working directory for a program; its `./data` is on the disk. */
  readonly cwd: string;
  /** The command prefix to start the program with. */
  readonly wrapper: readonly string[];
  /** Afterwards the process cannot write anything more. */
  fill(pid: number): Promise<void>;
  free(pid: number): Promise<void>;
}

const MEGABYTES = 8;

/** A separate small file system; undefined if this user may not mount one. */
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
      // Write until the disk is full.
      while (await file.write(block).then(() => true, () => false));
    },
    free: () => Deno.remove(filler),
    async [Symbol.asyncDispose]() {
      await TestProcess.run("umount", { args: ["--lazy", data] });
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** A limit on the size of files that the program writes; needs no privileges. */
export async function fileSizeLimit(): Promise<FullDisk> {
  const dir = await TempDir.create("limit-");
  const limit = async (pid: number, bytes: string) => {
    await TestProcess.run("prlimit", { args: [`--pid=${pid}`, `--fsize=${bytes}:`] });
  };
  return {
    name: "a limit on the size of files",
    cwd: dir.path,
    // The SIGXFSZ that comes with the error would end the program.
    wrapper: ["sh", "-c", `trap '' XFSZ; exec "$@"`, "sh"],
    fill: (pid) => limit(pid, "1"),
    free: (pid) => limit(pid, "unlimited"),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}
