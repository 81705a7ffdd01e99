import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { z } from 'zod';
import { cameraSchema } from '../../stages/artefacts/frames.ts';
import { checkJson, readJson } from '../../stages/artefacts/json.ts';
import { scoreSchema } from '../../stages/artefacts/scores.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { packageVersion } from '../run/manifest.ts';

/** The files of a recording. `pipeline` is a copy of the pipeline file; recordings of version 0.1.0 lack it. */
export const GOLDEN = {
  json: 'golden.json',
  splat: 'splat.safetensors',
  pipeline: 'pipeline.yaml',
  frames: 'frames',
} as const;

/** Default tolerance. Rounding changes some channels by one level, and by a few levels where splats swap in depth. */
export const DEFAULT_TOLERANCE = { max: 8, mean: 0.02, ssim: 0.999 };

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const name = z.string().regex(/^[\w.-]{1,100}$/);
const finite = z.number();
const namedCamera = z.strictObject({ name, camera: cameraSchema });
export type NamedCamera = z.output<typeof namedCamera>;

const difference = z.strictObject({ max: finite, mean: finite, ssim: finite });

const score = scoreSchema.extend({
  /** The largest allowed distance on another adapter, in either direction. */
  bound: z.number().nonnegative(),
  /** The largest distance measured with other seeds. */
  spread: z.number().nonnegative(),
});

/** `golden.json`, format 1. Lengths are pixels; differences are 8-bit levels (0–255). */
const goldenSchema = z.strictObject({
  format: z.literal('splatline golden 1'),
  name: z.string(),
  seed: z.number(),
  /** `--set` of the recording; a check repeats it. Relative paths in it start at `cwd`, itself relative to the file. */
  set: z.array(z.string()),
  cwd: z.string(),
  /** The name of the cell, for a file with a matrix. */
  cell: z.string().optional(),
  /** The values of `${env.NAME}` in the file; a check notes others. */
  env: z.record(z.string(), z.string()).optional(),
  versions: z.strictObject({ splatline: z.string(), node: z.string(), webgpu: z.string() }),
  /** An `AdapterReport`, perhaps of another version. */
  adapter: z.record(z.string(), z.unknown()),
  splat: z.strictObject({
    stage: z.string(),
    count: z.int(),
    shDegree: z.int(),
    bytes: z.int(),
    sha256,
  }),
  background: z.tuple([finite, finite, finite]),
  frames: z.array(namedCamera.extend({ sha256 })).min(1),
  tolerance: difference,
  /** Differences of renders in other, equally valid arithmetic, each the worst of all frames. */
  margin: z.strictObject({
    factor: finite,
    worst: difference,
    renders: z.array(difference.extend({ how: z.string() })),
  }),
  chain: z.strictObject({
    /** By stage and tensor, in the order of the run. */
    tensors: z.array(z.strictObject({ stage: z.string(), tensor: z.string(), sha256 })),
    /** The published turntable, by file stem. */
    frames: z.array(z.strictObject({ name, sha256 })),
    /** The turntable's cameras; absent where they depend on training. */
    cameras: z.array(namedCamera).optional(),
    scores: z.array(score),
    /** The other seeds that measured the bounds. */
    seeds: z.array(z.number()),
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
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) {
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
  fill: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = goldenFolder(file);
  const partial = `${folder}.partial-${process.pid}`;
  try {
    await mkdir(join(partial, GOLDEN.frames), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      throw new InputError(`cannot be written (${error.code}); recordings need a writable folder`, folder);
    });
    await writeFile(join(partial, GOLDEN.json), `${JSON.stringify(golden, null, 1)}\n`);
    await fill(partial);
    await rm(folder, { recursive: true, force: true });
    await rename(partial, folder);
    return folder;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** Versions of this package, of Node, and of the `webgpu` package, which contains Dawn. */
export async function versions(): Promise<Golden['versions']> {
  const { version } = createRequire(import.meta.url)('webgpu/package.json') as { version: string };
  return { splatline: await packageVersion(), node: process.version, webgpu: version };
}
