import { checkClipTarget, clipTargetReads } from '../clip/check.ts';
import { defineStage } from '../stage.ts';
import { trainOptions } from './options.ts';
import { train } from './train.ts';

export const trainStage = defineStage({
  name: 'train',
  module: import.meta.url,
  summary: 'Trains the splat on photographs, optionally also towards a text prompt',
  options: trainOptions,
  needs: ['dataset', 'gaussians'],
  needsPhotographs: true,
  gives: ['gaussians'],
  reads: async ({ clip }) => (clip ? clipTargetReads(clip) : {}),
  async preflight({ clip }) {
    if (clip) await checkClipTarget(clip);
  },
  run: async (...args) => ({ gaussians: await train(...args) }),
});

export { train } from './train.ts';
