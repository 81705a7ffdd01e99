import { checkClipTarget, clipTargetReads } from '../clip/check.ts';
import { defineStage } from '../stage.ts';
import { type TrainOptions, trainOptions } from './options.ts';
import { train } from './train.ts';

export const trainStage = defineStage<TrainOptions>({
  name: 'train',
  module: import.meta.url,
  summary: 'Trains the splat on the photographs, and on request towards a prompt',
  options: trainOptions,
  needs: ['dataset', 'gaussians'],
  needsPhotographs: true,
  gives: ['gaussians'],
  reads: async ({ clip }) => (clip ? clipTargetReads(clip) : {}),
  async preflight({ clip }) {
    if (clip) await checkClipTarget(clip);
  },
  async run({ gpu, seed, report, checkpoints }, { dataset, gaussians }, options) {
    const inputs = { dataset: dataset!, gaussians: gaussians! };
    return { gaussians: await train(gpu, inputs, options, { seed, report, checkpoints }) };
  },
});

export { train } from './train.ts';
