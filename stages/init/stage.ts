import * as z from 'zod';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { requireRows } from '../../wgsl/splat/row-capacity.ts';
import type { Dataset } from '../artefacts/dataset.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { uploadGaussians } from '../artefacts/gaussians.ts';
import { DEFAULT_SEED, defineStage, type StageSettings, silent } from '../stage.ts';
import { gaussiansFromPoints, randomPoints } from './init.ts';

export const initOptions = z.strictObject({
  from: z
    .enum(['points', 'random'])
    .optional()
    .describe(
      'Initial positions: the SfM points of the capture, or random positions in the bounding box of the cameras. Default: points; random for photographs without points',
    ),
  count: z.int().min(1).max(10_000_000).default(100_000).describe('Number of Gaussians at random positions'),
  shDegree: z.literal([0, 1, 2, 3]).default(3).describe('Maximum degree of the spherical harmonics'),
});

/** The options of `init`, as written in a file or a script. */
export type InitInput = z.input<typeof initOptions>;

/**
 * Creates the initial Gaussians of a capture. The caller owns them (`releaseGaussians`).
 *
 * @throws InputError when the capture has no SfM points to start from, or has more than the adapter can hold.
 */
export async function init(
  gpu: Gpu,
  { dataset }: { dataset: Dataset },
  options: InitInput = {},
  { seed = DEFAULT_SEED, report = silent }: StageSettings = {},
): Promise<Gaussians> {
  const { from: chosen, count, shDegree } = initOptions.parse(options);
  const hasPhotographs = dataset.views.some(({ image }) => image);
  const pointless = hasPhotographs && !dataset.points.positions.length;
  const from = chosen ?? (pointless ? 'random' : 'points');
  const points = from === 'points' ? dataset.points : randomPoints(dataset, count, seed);
  if (!points.positions.length) {
    throw new InputError('init: the dataset has no SfM points to start from; set `from: random`');
  }
  const rows = points.positions.length / 3;
  requireRows(gpu, { shDegree, rows }, 'init makes', (limit) =>
    from === 'points'
      ? `Take a capture of at most ${limit} SfM points, or start from: random with at most as many (init.count)`
      : `Set init.count to at most ${limit}`,
  );
  const host = gaussiansFromPoints(points, shDegree, dataset.extent);
  const why = chosen ? '' : ', because the capture has no points';
  const origin = from === 'points' ? 'the SfM points' : `random positions${why}`;
  report.note(`${host.count} Gaussians from ${origin}`);
  return uploadGaussians(gpu, 'init/gaussians', host, 'points');
}

/** The stage: initial Gaussians, from SfM points or at random. */
export const initStage = defineStage({
  name: 'init',
  module: import.meta.url,
  summary: 'Creates the initial Gaussians from SfM points or at random',
  options: initOptions,
  needs: ['dataset'],
  newRows: true,
  gives: ['gaussians'],
  run: async (...args) => ({ gaussians: await init(...args) }),
});
