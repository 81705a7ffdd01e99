import {
  DEPTH_BINS,
  DEPTH_HISTOGRAM,
  DEPTH_PICTURE,
  depthQuantiles,
  FramePicture,
} from '../../../wgsl/image/frame-pictures.ts';
import type { FrameOutput, OutputScene } from './output.ts';

/** Largest value of 16 bits. */
const MAX_UNITS = 65535;
/** Shares of the surface that is nearer than the range of the preview, and that is nearer than its end. */
const PREVIEW = [0.02, 0.98] as const;

/**
 * Camera z of the surface: alpha-weighted mean depth. One unit serves all frames: the smallest of 1, 2 or 5 times a power of ten
 * with which the farthest surface fits 16 bits.
 */
export const depth: FrameOutput = {
  summary:
    'camera z as 16-bit PNG, with the unit in `depth/depth.json`, and a coloured preview of inverse depth',
  pictures: [
    { stem: 'depth', kind: 'gray16' },
    { stem: 'depth-preview', kind: 'rgb' },
  ],
  after: true,
  async create(scene) {
    const { gpu, arena, frames, width, height } = scene;
    const pixels = width * height;
    const [near, far, farthest] = await depthRange(scene);
    const unit = depthUnit(farthest);
    const kernel = await FramePicture.create(gpu, DEPTH_PICTURE, pixels);
    const range = arena.uniform('range', kernel.kernel.struct('Range').size);
    gpu.write(range, kernel.kernel.pack('Range', { unit, near, far }), 'parameters');
    const units = arena.buffer('units', 4 * Math.ceil(pixels / 2));
    const preview = arena.buffer('preview', 4 * pixels);
    return {
      draw(index) {
        const { color, depth } = frames.frames[index];
        const bound = kernel.bind({ range, rgba8: color, depth, units, preview });
        gpu.run('orbit/depth', (recorder) => kernel.record(recorder, bound));
        return [units, preview];
      },
      notes: {
        'depth/depth.json': {
          quantity: 'camera z in world units = value × unit; 0: no surface (alpha below one half)',
          unit,
          preview: { map: 'viridis', of: '1 / z', dark: far, bright: near },
          frames: frames.frames.map(({ name, camera }) => ({ name, camera })),
        },
      },
    };
  },
};

/** The unit of depth for surfaces up to `farthest`. */
export function depthUnit(farthest: number): number {
  const least = farthest / MAX_UNITS;
  if (!(least > 0)) return 0.001;
  const exponent = Math.floor(Math.log10(least));
  // Decimal text avoids 3 * 0.1 = 0.30000000000000004.
  const units = [`1e${exponent}`, `2e${exponent}`, `5e${exponent}`, `1e${exponent + 1}`].map(Number);
  return units.find((unit) => unit >= least) ?? Number(`2e${exponent + 1}`);
}

/** The range of the preview, and a depth that no surface exceeds, over all frames. Without a surface, any range. */
async function depthRange({ gpu, arena, frames, width, height }: OutputScene): Promise<number[]> {
  const kernel = await FramePicture.create(gpu, DEPTH_HISTOGRAM, width * height);
  const counts = arena.buffer('counts', 4 * DEPTH_BINS);
  for (const { color, depth } of frames.frames) {
    const bound = kernel.bind({ rgba8: color, depth, counts });
    gpu.run('orbit/depth-histogram', (recorder) => kernel.record(recorder, bound));
  }
  const found = await gpu.readWords(counts, 'metrics');
  arena.release(counts);
  if (!found.some((count) => count)) return [1, 2, 0];
  const [near, far, farthest] = depthQuantiles(found, [...PREVIEW, 1]);
  // A single depth has a range too.
  return [near, Math.max(far, 1.01 * near), farthest];
}
