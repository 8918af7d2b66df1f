const ROOT = new URL("../../", import.meta.url);

/** Paths, relative to the project root, of the files below a folder with this ending. */
export async function walk(folder: string, ending: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(`${folder}/`, ROOT))) {
    if (isDirectory) paths.push(...await walk(`${folder}/${name}`, ending));
    else if (name.endsWith(ending)) paths.push(`${folder}/${name}`);
  }
  return paths;
}
