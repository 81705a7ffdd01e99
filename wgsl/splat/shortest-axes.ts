import { type Arena, type BoundKernel, defineKernel, type Gpu, gridFor, type Kernel } from '../core/index.ts';
import type { PinholeCamera } from './types.ts';
import { centerOf } from './view-values.ts';

export const SHORTEST_AXES = defineKernel({
  label: 'splat/shortest-axes',
  variants: { portable: { source: new URL('./shortest-axes.wgsl', import.meta.url) } },
});

interface Axes {
  count: number;
  means: GPUBuffer;
  logScales: GPUBuffer;
  quats: GPUBuffer;
}

/**
 * The normals of Gaussians, which have none of their own, by their shortest axes, as colours that a rasteriser blends. The axes of
 * flat Gaussians lie across the surface; those of round ones are arbitrary.
 */
export class ShortestAxes {
  /** SH of degree 0, [N,1,3]: their colour is (normal + 1)/2 in the space of the camera: x right, y up, z to the camera. */
  readonly sh: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #kernel: Kernel;
  readonly #pose: GPUBuffer;
  readonly #bound: BoundKernel;
  readonly #count: number;

  private constructor(kernel: Kernel, arena: Arena, { count, means, logScales, quats }: Axes) {
    this.#gpu = arena.gpu;
    this.#kernel = kernel;
    this.#count = count;
    this.sh = arena.buffer('normals', 12 * Math.max(1, count));
    this.#pose = arena.uniform('pose', kernel.struct('Pose').size);
    this.#bound = kernel.bind({ pose: this.#pose, means, logScales, quats, sh: this.sh });
  }

  /** The arena owns the buffers. */
  static async create(arena: Arena, gaussians: Axes): Promise<ShortestAxes> {
    return new ShortestAxes(await arena.gpu.kernel(SHORTEST_AXES), arena, gaussians);
  }

  /** Submits the normals for a camera. */
  submit({ viewmat }: PinholeCamera): void {
    const pose = {
      row0: viewmat.slice(0, 4),
      row1: viewmat.slice(4, 8),
      row2: viewmat.slice(8, 12),
      center: centerOf(viewmat),
      count: this.#count,
    };
    this.#gpu.write(this.#pose, this.#kernel.pack('Pose', pose), 'parameters');
    this.#gpu.run('splat/shortest-axes', (recorder) => recorder.run(this.#bound, gridFor(this.#count, 256)));
  }
}
