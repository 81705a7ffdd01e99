import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPipeline } from '../../pipeline/file/read.ts';
import type { Manifest } from '../../pipeline/run/manifest.ts';
import { type RunOptions, runPlan } from '../../pipeline/run/runner.ts';
import type { Stage } from '../../stages/stage.ts';
import { fakeFormats, fakeGpu, fakeStages, inScratch, trail } from './fake-stages.ts';

export const FILE = `name: fox
stages:
  - load: { colmap: capture }
  - init:
  - train:
  - stylize: { prompt: rococo }
  - score:
`;

export interface Bench {
  folder: string;
  out: string;
  store: string;
  run(
    options?: RunOptions & { set?: string[]; registry?: readonly Stage[]; file?: string },
  ): Promise<Awaited<ReturnType<typeof runPlan>>>;
}

export async function bench(body: (bench: Bench) => Promise<void>): Promise<void> {
  await inScratch(async (folder) => {
    await mkdir(join(folder, 'capture'));
    const out = join(folder, 'out');
    const store = join(folder, 'store');
    await body({
      folder,
      out,
      store,
      async run({ set, registry = fakeStages, file = FILE, ...options } = {}) {
        await writeFile(join(folder, 'p.yaml'), file);
        trail.length = 0;
        const plan = await readPipeline('p.yaml', { set, cwd: folder, registry });
        return runPlan(plan, { out, store, gpu: fakeGpu(), formats: fakeFormats, ...options });
      },
    });
  });
}

export async function rejection(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it succeeded');
}

export const text = (path: string) => readFile(path, 'utf8');

/** The record of a run's folder. */
export const manifestOf = async (out: string): Promise<Manifest> =>
  JSON.parse(await text(join(out, 'run.json')));

/** The path in the store of a file of a stage's entry. */
export async function savedFile({ out, store }: Bench, id: string, path = 'artefacts/gaussians/splat.txt') {
  const { key } = (await manifestOf(out)).stages.find((row) => row.id === id)!;
  return join(store, 'entries', key.slice(0, 2), key, path);
}

/** Overwrites a file of the store, which is read-only. */
export async function spoil(file: string, contents: string): Promise<void> {
  await chmod(file, 0o644);
  await writeFile(file, contents);
}
