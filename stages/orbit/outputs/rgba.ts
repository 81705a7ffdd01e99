import { STRAIGHT_ALPHA } from '../../../wgsl/image/frame-pictures.ts';
import type { FrameOutput } from './output.ts';
import { pixelRenderer } from './pixel-renderer.ts';

/** Colour without the background. */
export const rgba: FrameOutput = {
  summary: 'colour with straight alpha, without the background',
  pictures: [{ stem: 'rgba', kind: 'rgba' }],
  create: (scene) => {
    const [RED, GREEN, BLUE] = scene.background;
    return pixelRenderer(scene, STRAIGHT_ALPHA, 'straight', { RED, GREEN, BLUE });
  },
};
