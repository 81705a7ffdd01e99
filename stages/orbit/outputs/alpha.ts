import { ALPHA_PICTURE } from '../../../wgsl/image/frame-pictures.ts';
import type { FrameOutput } from './output.ts';
import { pixelRenderer } from './pixel-renderer.ts';

/** Opacity of the splat. */
export const alpha: FrameOutput = {
  summary: 'alpha, from 0 to 255',
  pictures: [{ stem: 'alpha', kind: 'gray' }],
  create: (scene) => pixelRenderer(scene, ALPHA_PICTURE, 'gray'),
};
