import * as z from 'zod';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Dataset } from '../artefacts/dataset.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { checkSplatFile, splatFiles } from '../artefacts/splat-file-check.ts';
import { defineStage, type StageSettings, silent } from '../stage.ts';
import { captureFiles, checkCapture, loadCapture } from './capture.ts';
import { loadSplat } from './splat.ts';

const MAX_SIDE = 16384;

export const loadOptions = z
  .strictObject({
    colmap: z
      .string()
      .min(1)
      .optional()
      .meta({ path: 'folder' })
      .describe(
        'Folder of a COLMAP capture: a model in sparse/0, sparse or the folder itself, and its images, which are undistorted',
      ),
    ply: z
      .string()
      .min(1)
      .optional()
      .meta({ path: 'file', advice: 'Of an unpacked SOG splat give the meta.json' })
      .describe(
        'Splat file to load instead of a capture: .ply (3DGS), .sog, .spz, .splat, .ksplat, or the meta.json of an unpacked SOG',
      ),
    images: z
      .string()
      .min(1)
      .default('images')
      .describe('Folder of the images, relative to the capture (PNG, JPEG, WebP)'),
    downscale: z
      .number()
      .min(1)
      .max(64)
      .default(1)
      .describe(
        'Factor by which width and height of the images are reduced, by area averaging, after lens distortion is removed',
      ),
    holdout: z
      .int()
      .min(0)
      .default(8)
      .describe('Holds out every n-th view, in order of names, for evaluation; 0 holds out none'),
    views: z
      .int()
      .min(1)
      .max(10_000)
      .default(48)
      .describe('Number of synthetic views around a splat without images'),
    size: z
      .tuple([z.int().min(16).max(MAX_SIDE), z.int().min(16).max(MAX_SIDE)])
      .default([512, 512])
      .describe('[width, height] of the synthetic views, pixels'),
  })
  .refine(({ colmap, ply }) => (colmap === undefined) !== (ply === undefined), {
    message: 'expected exactly one of `colmap` (a capture) and `ply` (a splat)',
  });

/** The options of `load`, as written in a file or a script. */
export type LoadInput = z.input<typeof loadOptions>;
export type LoadOptions = z.output<typeof loadOptions>;

/** A dataset; also the Gaussians when a splat was loaded. */
export interface Loaded {
  dataset: Dataset;
  gaussians?: Gaussians;
}

/**
 * Loads a COLMAP capture (`colmap`) or a splat (`ply`) onto the GPU. The caller owns the buffers (`releaseDataset`,
 * `releaseGaussians`).
 *
 * @throws InputError with the file and the position of anything that cannot be used.
 */
export async function load(
  gpu: Gpu,
  _inputs: Record<never, never>,
  options: LoadInput,
  { report = silent }: StageSettings = {},
): Promise<Loaded> {
  const source = sourceOf(loadOptions.parse(options));
  if (source.kind === 'splat') {
    const loaded = await loadSplat(gpu, source, report);
    const { count, shDegree } = loaded.gaussians;
    report.note(
      `${count} Gaussians of SH degree ${shDegree}, ${loaded.dataset.views.length} views around them`,
    );
    return loaded;
  }
  const dataset = await loadCapture(gpu, source, report);
  report.note(describeDataset(dataset));
  return { dataset };
}

/** The stage: a capture, or a splat with synthetic views, on the GPU. */
export const loadStage = defineStage({
  name: 'load',
  module: import.meta.url,
  summary: 'Loads a COLMAP capture or a splat file',
  options: loadOptions,
  needs: [],
  gives: ['dataset', 'gaussians'],
  source: true,
  givesFor: (options) => (options.ply === undefined ? ['dataset'] : ['dataset', 'gaussians']),
  givesPhotographs: (options) => options.ply === undefined,
  async reads(options) {
    const source = sourceOf(options);
    return { files: await (source.kind === 'splat' ? splatFiles(source.ply) : captureFiles(source)) };
  },
  async preflight(options) {
    const source = sourceOf(options);
    if (source.kind === 'splat') await checkSplatFile(source.ply);
    else await checkCapture(source);
  },
  run: async (...args) => ({ ...(await load(...args)) }),
});

type Source = ({ kind: 'capture'; colmap: string } | { kind: 'splat'; ply: string }) & LoadOptions;

function sourceOf(options: LoadOptions): Source {
  const { colmap, ply } = options;
  if (colmap !== undefined) return { ...options, kind: 'capture', colmap };
  if (ply !== undefined) return { ...options, kind: 'splat', ply };
  throw new InputError('load: neither `colmap` nor `ply` is given');
}

function describeDataset({ views, points }: Dataset): string {
  const test = views.filter(({ split }) => split === 'test').length;
  const sizes = new Set(views.map(({ camera }) => `${camera.width}×${camera.height}`));
  const size = sizes.size === 1 ? [...sizes][0] : `${sizes.size} sizes`;
  return `${views.length - test} train and ${test} test views, ${size}, ${points.positions.length / 3} points`;
}
