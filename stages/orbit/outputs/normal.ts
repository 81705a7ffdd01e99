import { FramePicture, NORMAL_PICTURE } from '../../../wgsl/image/frame-pictures.ts';
import { SplatRenderer } from '../../../wgsl/splat/renderer.ts';
import { ShortestAxes } from '../../../wgsl/splat/shortest-axes.ts';
import type { FrameOutput } from './output.ts';

/** Blends to zero where nothing is. */
const GREY = [0.5, 0.5, 0.5] as const;

/** The shortest axes of the Gaussians, turned to the camera and blended as colours are. */
export const normal: FrameOutput = {
  summary:
    'normals from the shortest axes of the Gaussians, in camera space: (x right, y up, z to the camera) + 1, halved',
  pictures: [{ stem: 'normal', kind: 'rgb' }],
  after: true,
  async create({ gpu, arena, frames, gaussians, width, height }) {
    const pixels = width * height;
    const axes = await ShortestAxes.create(arena, gaussians);
    const renderer = await SplatRenderer.create(gpu, 'orbit/normal');
    const kernel = await FramePicture.create(gpu, NORMAL_PICTURE, pixels);
    const picture = arena.buffer('picture', 16 * pixels);
    const rgba8 = arena.buffer('rgba8', 4 * pixels);
    const bound = kernel.bind({ picture, rgba8 });
    const splat = { ...gaussians, sh: axes.sh, shDegree: 0 as const };
    return {
      async draw(index) {
        const { camera } = frames.frames[index];
        axes.submit(camera);
        // Waits for the picture: one that is rendered again must find the normals of its own camera.
        await renderer.render(splat, camera, { color: picture }, { background: GREY }, (recorder) =>
          kernel.record(recorder, bound),
        );
        return [rgba8];
      },
      destroy: () => renderer.destroy(),
    };
  },
};
