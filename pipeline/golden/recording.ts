import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join, resolve } from 'node:path';
import * as z from 'zod';
import { cameraSchema } from '../../stages/artefacts/frames.ts';
import { checkJson, readJson } from '../../stages/artefacts/json.ts';
import { scoreSchema } from '../../stages/artefacts/scores.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { packageVersion } from '../run/manifest.ts';
import { ignore } from '../store/disk.ts';

/** The files of a recording. `pipeline` is a copy of the pipeline file; recordings of version 0.1.0 lack it. */
export const GOLDEN = {
  json: 'golden.json',
  splat: 'splat.safetensors',
  pipeline: 'pipeline.yaml',
  frames: 'frames',
} as const;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const name = z.string().regex(/^[\w.-]{1,100}$/);
const finite = z.number();
const namedCamera = z.strictObject({ name, camera: cameraSchema });
export type NamedCamera = z.output<typeof namedCamera>;

const score = scoreSchema.extend({
  /** The largest allowed distance on another adapter, in either direction. */
  bound: z.number().nonnegative(),
});

/**
 * `golden.json`, format 1. Lengths are pixels; differences are 8-bit levels (0–255). Earlier versions also recorded what they
 * measured to derive tolerance and bounds; a check ignores it.
 */
const goldenSchema = z.object({
  format: z.literal('splatline golden 1'),
  /** `--set` of the recording; a check repeats it. Relative paths in it start at `cwd`, itself relative to the file. */
  set: z.array(z.string()),
  cwd: z.string(),
  /** The name of the cell, for a file with a matrix. */
  cell: z.string().optional(),
  versions: z.strictObject({ splatline: z.string(), node: z.string(), webgpu: z.string() }),
  /** An `AdapterReport`, perhaps of another version. */
  adapter: z.record(z.string(), z.unknown()),
  splat: z.object({ stage: z.string(), count: z.int(), bytes: z.int(), sha256 }),
  background: z.tuple([finite, finite, finite]),
  frames: z.array(namedCamera.extend({ sha256 })).min(1),
  /** On another adapter: the largest `max` and `mean` and the least `ssim` of a golden frame. */
  tolerance: z.strictObject({ max: finite, mean: finite, ssim: finite }),
  chain: z.object({
    /** By stage and tensor, in the order of the run. */
    tensors: z.array(z.strictObject({ stage: z.string(), tensor: z.string(), sha256 })),
    /** The published turntable, by file stem. */
    frames: z.array(z.strictObject({ name, sha256 })),
    /** The turntable's cameras; absent where they depend on training. */
    cameras: z.array(namedCamera).optional(),
    scores: z.array(z.object(score.shape)),
  }),
});

export type Golden = z.output<typeof goldenSchema>;
export type GoldenScore = z.output<typeof score>;

/** The folder beside the pipeline file: `demo.golden/` for `demo.yaml`. */
export function goldenFolder(file: string): string {
  const path = resolve(file);
  return join(dirname(path), `${basename(path, extname(path))}.golden`);
}

/** @throws InputError when there is no recording (with the command that records one), or golden.json is damaged. */
export async function readGolden(file: string): Promise<Golden> {
  const path = join(goldenFolder(file), GOLDEN.json);
  if (!existsSync(path)) {
    throw new InputError(
      `no golden renders were recorded: expected ${path}; record them with \`splatline golden record ${file}\` and commit the folder`,
      file,
    );
  }
  return checkJson(path, goldenSchema, await readJson(path));
}

/** Replaces the recording of a pipeline file; returns its folder. After a failure the old one is unchanged. */
export async function replaceGolden(
  file: string,
  golden: Golden,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<string> {
  const folder = goldenFolder(file);
  const [partial, replaced] = ['partial', 'replaced'].map((what) => `${folder}.${what}-${process.pid}`);
  try {
    await mkdir(join(partial, GOLDEN.frames), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      throw new InputError(`cannot be written (${error.code}); recordings need a writable folder`, folder);
    });
    await writeFile(join(partial, GOLDEN.json), `${JSON.stringify(golden, null, 1)}\n`);
    for (const [path, bytes] of Object.entries(files)) await writeFile(join(partial, path), bytes);
    await rename(folder, replaced).catch(ignore('ENOENT'));
    await rename(partial, folder);
    return folder;
  } finally {
    if (!existsSync(folder)) await rename(replaced, folder).catch(ignore('ENOENT'));
    for (const path of [partial, replaced]) await rm(path, { recursive: true, force: true });
  }
}

/** Versions of this package, of Node, and of the `webgpu` package, which contains Dawn. */
export async function versions(): Promise<Golden['versions']> {
  const { version } = createRequire(import.meta.url)('webgpu/package.json') as { version: string };
  return { splatline: await packageVersion(), node: process.version, webgpu: version };
}
