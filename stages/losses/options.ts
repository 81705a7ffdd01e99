import { clipTarget, cropOptions } from '../clip/options.ts';
import { lossOptions } from './index.ts';

const crops = cropOptions.prefault({}).describe('Random crops of each render, the input of CLIP');

/** The options of a style target. Shared by stylize and joint training. */
export const styleTarget = { ...clipTarget, crops, ...lossOptions };
