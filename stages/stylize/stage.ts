import { checkClipTarget, clipTargetReads } from '../clip/check.ts';
import { defineStage } from '../stage.ts';
import { type StylizeOptions, stylizeOptions } from './options.ts';
import { stylize } from './stylize.ts';

export const stylizeStage = defineStage<StylizeOptions>({
  name: 'stylize',
  module: import.meta.url,
  summary: 'Restyles the splat towards a text prompt through CLIP',
  options: stylizeOptions,
  needs: ['dataset', 'gaussians'],
  uses: ['base'],
  gives: ['gaussians', 'base', 'style'],
  async reads(options) {
    const { files, texts } = await clipTargetReads(options);
    // Elsewhere only what is in the model counts; here its place is handed on, in the style, for score to open.
    return { files, texts: { ...texts, ...(options.model ? { model: options.model } : {}) } };
  },
  preflight: checkClipTarget,
  async run({ gpu, seed, report, checkpoints }, { dataset, gaussians, base }, options) {
    const restyled = await stylize(gpu, { dataset: dataset!, gaussians: gaussians! }, options, {
      seed,
      report,
      checkpoints,
    });
    const { prompt, model } = options;
    return { gaussians: restyled, base: base ?? gaussians!, style: { prompt, ...(model ? { model } : {}) } };
  },
});

export { stylize } from './stylize.ts';
