import { checkClipTarget, clipTargetReads } from '../clip/check.ts';
import { defineStage } from '../stage.ts';
import { type StylizeOptions, stylizeOptions } from './options.ts';
import { stylize } from './stylize.ts';

export const stylizeStage = defineStage<StylizeOptions>({
  name: 'stylize',
  summary: 'Restyles the splat towards a text prompt through CLIP',
  options: stylizeOptions,
  needs: ['dataset', 'gaussians'],
  uses: ['base'],
  gives: ['gaussians', 'base', 'style'],
  reads: clipTargetReads,
  preflight: checkClipTarget,
  async run({ gpu, seed, report }, { dataset, gaussians, base }, options) {
    const restyled = await stylize(gpu, { dataset: dataset!, gaussians: gaussians! }, options, {
      seed,
      report,
    });
    const { prompt, model } = options;
    return { gaussians: restyled, base: base ?? gaussians!, style: { prompt, ...(model ? { model } : {}) } };
  },
});

export { stylize } from './stylize.ts';
