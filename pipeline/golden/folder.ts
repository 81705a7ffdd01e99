import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { checkJson, readJson } from '../../stages/artefacts/json.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { type Golden, goldenSchema } from './format.ts';

/** What lies in the folder beside the pipeline file: `demo.golden/` for `demo.yaml`. */
export const GOLDEN = { json: 'golden.json', splat: 'splat.safetensors', frames: 'frames' } as const;

export function goldenFolder(file: string): string {
  const path = resolve(file);
  return join(dirname(path), `${basename(path, extname(path))}.golden`);
}

/** @throws InputError where nothing was recorded (with how to), or golden.json is not as it was written. */
export async function readGolden(file: string): Promise<Golden> {
  const path = join(goldenFolder(file), GOLDEN.json);
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) {
    throw new InputError(
      `no golden renders were recorded: expected ${path}; record them with \`splatline golden record ${file}\` and commit the folder`,
      file,
    );
  }
  return checkJson(path, goldenSchema, await readJson(path)) as Golden;
}

/**
 * Fills a new folder and puts it into the old one's place. `fill` writes into a folder beside it, so that a recording
 * that fails leaves the old one as it was.
 */
export async function replaceGolden(
  file: string,
  fill: (folder: string) => Promise<Golden>,
): Promise<{ folder: string; golden: Golden }> {
  const folder = goldenFolder(file);
  const [aside, old] = [`${folder}.partial-${process.pid}`, `${folder}.old-${process.pid}`];
  const clear = (path: string) => rm(path, { recursive: true, force: true });
  try {
    await clear(aside);
    await mkdir(join(aside, GOLDEN.frames), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      throw new InputError(
        `cannot be written (${error.code}); golden renders lie beside the pipeline file`,
        folder,
      );
    });
    const golden = await fill(aside);
    await writeFile(join(aside, GOLDEN.json), `${JSON.stringify(golden, null, 1)}\n`);
    const replaced = await rename(folder, old).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false;
        throw error;
      },
    );
    await rename(aside, folder);
    if (replaced) await clear(old);
    return { folder, golden };
  } finally {
    await clear(aside);
  }
}
