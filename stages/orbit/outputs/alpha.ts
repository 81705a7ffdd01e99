import type { Constants, KernelDefinition } from '../../../wgsl/core/index.ts';
import { ALPHA_PICTURE, FramePicture, STRAIGHT_ALPHA } from '../../../wgsl/image/frame-pictures.ts';
import type { FrameOutput, OutputRenderer, OutputScene } from './output.ts';

/** Opacity of the splat. */
export const alpha: FrameOutput = {
  summary: 'alpha, from 0 to 255',
  pictures: [{ stem: 'alpha', kind: 'gray' }],
  create: (scene) => pixelRenderer(scene, ALPHA_PICTURE, 'gray'),
};

/** Colour without the background. */
export const rgba: FrameOutput = {
  summary: 'colour with straight alpha, without the background',
  pictures: [{ stem: 'rgba', kind: 'rgba' }],
  create: (scene) => {
    const [RED, GREEN, BLUE] = scene.background;
    return pixelRenderer(scene, STRAIGHT_ALPHA, 'straight', { RED, GREEN, BLUE });
  },
};

/** Draws pictures whose pixels follow from those of the frame alone. `binding`: what the kernel writes. */
async function pixelRenderer(
  { gpu, arena, frames, width, height }: OutputScene,
  definition: KernelDefinition,
  binding: string,
  constants: Constants = {},
): Promise<OutputRenderer> {
  const pixels = width * height;
  const kernel = await FramePicture.create(gpu, definition, pixels, constants);
  const picture = arena.buffer(binding, 4 * pixels);
  return {
    draw(index) {
      const bound = kernel.bind({ rgba8: frames.frames[index].color, [binding]: picture });
      gpu.run(`orbit/${binding}`, (recorder) => kernel.record(recorder, bound));
      return [picture];
    },
  };
}
