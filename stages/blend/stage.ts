import * as z from 'zod';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { blendRows } from '../../wgsl/splat/edit/blend-rows.ts';
import type { Dataset } from '../artefacts/dataset.ts';
import {
  GAUSSIAN_PARAMETERS,
  type GaussianParameter,
  type Gaussians,
  parameterWidths,
} from '../artefacts/gaussians.ts';
import { type Poses, withPoses } from '../artefacts/poses.ts';
import { regionOption } from '../regions/options.ts';
import { everywhere, openRegion } from '../regions/weights.ts';
import { defineStage, type StageSettings, silent } from '../stage.ts';

export const blendOptions = z.strictObject({
  strength: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('How much of the restyling to keep: 0 gives the splat before restyling, 1 the restyled one'),
  only: regionOption
    .optional()
    .describe(
      'Keeps the restyling in this region only; Gaussians outside keep every byte of the splat before restyling',
    ),
});

/** Options of blend as a caller gives them: docs/options.md has units and defaults. */
export type BlendInput = z.input<typeof blendOptions>;

export interface BlendInputs {
  gaussians: Gaussians;
  /** The splat before restyling. */
  base: Gaussians;
  /** Its first training view shows the region, in `region.png`. */
  dataset?: Dataset;
  /** Of the training views, in place of the dataset's. */
  poses?: Poses;
}

/** The stage: a mix of the restyled splat and the splat before restyling. */
export const blendStage = defineStage({
  name: 'blend',
  module: import.meta.url,
  summary: 'Mixes the restyled splat with the splat before restyling, everywhere or in a region',
  options: blendOptions,
  needs: ['gaussians', 'base'],
  uses: ['dataset', 'poses'],
  needsSameRows: true,
  gives: ['gaussians'],
  run: async (...args) => ({ gaussians: await blend(...args) }),
});

/**
 * Mixes a restyled splat with the splat before: θ = base + strength·w·(styled − base) for every parameter of every Gaussian, where w is
 * its weight in `only`, or 1. Where strength·w is 0 or 1, the bytes are those of base or styled. Returns new Gaussians; the inputs are
 * unchanged. With `only` and `output` it writes `region.png`, in which the region is orange.
 *
 * @throws InputError when the splats do not have the same Gaussians.
 */
export async function blend(
  gpu: Gpu,
  { gaussians: styled, base, dataset, poses }: BlendInputs,
  given: BlendInput = {},
  { report = silent, output }: StageSettings = {},
): Promise<Gaussians> {
  const { strength, only } = blendOptions.parse(given);
  if (styled.count !== base.count || styled.shDegree !== base.shDegree) {
    throw new InputError(
      `blend mixes a splat with the one before restyling, and the two differ in their Gaussians: ${styled.count} of SH degree ` +
        `${styled.shDegree}, and ${base.count} of degree ${base.shDegree}. Put blend right after stylize`,
    );
  }
  const { count, shDegree, antialias } = base;
  const widths = parameterWidths(shDegree);
  const arena = gpu.arena('blend');
  const results = gpu.arena('blend/gaussians');
  try {
    const weights = only
      ? await openRegion(
          arena,
          { name: 'only', option: only, whenEmpty: 'nothing of the restyling is left' },
          base,
          { report, output, dataset: dataset && withPoses(dataset, poses) },
        )
      : everywhere(arena, count);
    const blended = {} as Record<GaussianParameter, GPUBuffer>;
    for (const name of GAUSSIAN_PARAMETERS) {
      const width = widths[name];
      blended[name] = results.buffer(name, 4 * width * count);
      const parts = { base: base[name], styled: styled[name], result: blended[name] };
      await blendRows(arena, { ...parts, count, width, strength, weights });
    }
    await gpu.settle();
    return { count, shDegree, ...(antialias && { antialias }), ...blended };
  } catch (error) {
    results.destroy();
    throw error;
  } finally {
    arena.destroy();
  }
}
