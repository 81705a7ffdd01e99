import type { Constants, KernelDefinition } from '../../../wgsl/core/index.ts';
import { FramePicture } from '../../../wgsl/image/frame-pictures.ts';
import type { OutputRenderer, OutputScene } from './output.ts';

/** Draws pictures whose pixels follow from those of the frame alone. `binding`: what the kernel writes. */
export async function pixelRenderer(
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
