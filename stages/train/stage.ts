import { InputError } from '../../wgsl/core/index.ts';
import { clipTargetReads } from '../clip/check.ts';
import { checkStyleTarget } from '../losses/target.ts';
import { defineStage } from '../stage.ts';
import { trainJointly } from './joint.ts';
import { trainOptions } from './options.ts';
import { trainScene } from './train.ts';

export const trainStage = defineStage({
  name: 'train',
  module: import.meta.url,
  summary: 'Trains the splat on photographs, optionally also towards a text prompt',
  options: trainOptions,
  needs: ['dataset', 'gaussians'],
  uses: ['poses'],
  needsPhotographs: true,
  newRows: true,
  gives: ['gaussians', 'base', 'style', 'exposures', 'poses'],
  givesFor: ({ clip, exposure, poses }) => [
    'gaussians',
    ...(clip?.mode === 'balanced' ? (['base', 'style'] as const) : []),
    ...(exposure ? (['exposures'] as const) : []),
    ...(poses ? (['poses'] as const) : []),
  ],
  async reads({ clip }) {
    if (!clip) return {};
    const { files, texts } = await clipTargetReads(clip);
    // The style contains the model's path, for score.
    return {
      files,
      texts: { ...texts, ...(clip.mode === 'balanced' && clip.model ? { model: clip.model } : {}) },
    };
  },
  async preflight({ clip, exposure, poses }) {
    if ((exposure || poses) && clip?.mode === 'balanced') {
      throw new InputError(
        `train.${exposure ? 'exposure' : 'poses'} does not apply to the second set of SH of clip.mode balanced; leave one of them out, or restyle with stylize`,
      );
    }
    if (clip) await checkStyleTarget(clip, clip.mode === 'balanced');
  },
  async run(gpu, inputs, options, settings) {
    const { clip } = options;
    if (clip?.mode !== 'balanced') return { ...(await trainScene(gpu, inputs, options, settings)) };
    const { prompt, model } = clip;
    return {
      ...(await trainJointly(gpu, inputs, options, settings)),
      style: { prompt, ...(model ? { model } : {}) },
    };
  },
});

export { type JointSplats, trainJointly } from './joint.ts';
export { type TrainedScene, train, trainScene } from './train.ts';
