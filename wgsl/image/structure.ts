import {
  type Arena,
  type BoundKernel,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
} from '../core/index.ts';
import type { PictureSize } from './picture.ts';

const THREADS = 64;
/** Places that a workgroup sums. */
const CHUNK = 512;
const STRUCTURE = {
  constants: { THREADS, CHUNK },
  variants: { portable: { source: new URL('./structure.wgsl', import.meta.url) } },
};
export const STRUCTURE_HALVE = defineKernel({ ...STRUCTURE, label: 'image/structure/halve', entry: 'halve' });
export const STRUCTURE_CORRELATE = defineKernel({
  ...STRUCTURE,
  label: 'image/structure/correlate',
  entry: 'correlate',
});
export const STRUCTURE_FINISH = defineKernel({
  ...STRUCTURE,
  label: 'image/structure/finish',
  entry: 'finish',
});
export const STRUCTURE_BACKWARD = defineKernel({
  label: 'image/structure-backward',
  constants: { THREADS },
  variants: { portable: { source: new URL('./structure-backward.wgsl', import.meta.url) } },
});

/** Buffers of a comparison. Pictures are f32 [H, W, 4] of the largest size, the smaller ones packed at the front. */
export interface StructureOptions {
  /** The largest picture, pixels. */
  width: number;
  height: number;
  picture: GPUBuffer;
  base: GPUBuffer;
  /** Pairs that the result holds; 1 unless given. */
  slots?: number;
  /** f32 [H, W, 4]: `recordBackward` adds to it. */
  gradient?: GPUBuffer;
}

interface Kernels {
  halve: Kernel;
  correlate: Kernel;
  finish: Kernel;
  backward?: Kernel;
}

/**
 * Compares the structure of a picture with that of its base: the correlation ρ of their luminance gradients at half resolution, each
 * place weighted by the magnitude of the base's gradient. 1: all edges are those of the base, up to one factor of contrast;
 * 0: they are unrelated; −1: light and dark are exchanged. Sums run in a fixed order.
 */
export class Structure {
  /** f32 [slots, 4]: three sums a pair; `correlation` reads them. */
  readonly result: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #kernels: Kernels;
  readonly #size: GPUBuffer;
  readonly #steps: {
    halve: BoundKernel;
    correlate: BoundKernel;
    finish: BoundKernel;
    backward?: BoundKernel;
  };
  #places = 0;
  #chunks = 0;

  private constructor(arena: Arena, options: StructureOptions, kernels: Kernels) {
    const { width, height, picture, base, gradient, slots = 1 } = options;
    const places = Math.floor(width / 2) * Math.floor(height / 2);
    this.#gpu = arena.gpu;
    this.#kernels = kernels;
    this.#size = arena.uniform('structure/size', kernels.halve.struct('Size').size);
    this.result = arena.buffer('structure/result', 16 * slots);
    const luminance = arena.buffer('structure/luminance', 8 * Math.max(1, places));
    const partials = arena.buffer('structure/partials', 16 * Math.max(1, Math.ceil(places / CHUNK)));
    const buffers = { size: this.#size, picture, base, luminance, partials, result: this.result };
    this.#steps = {
      halve: kernels.halve.bind(buffers),
      correlate: kernels.correlate.bind(buffers),
      finish: kernels.finish.bind(buffers),
      backward:
        gradient && kernels.backward?.bind({ size: this.#size, luminance, result: this.result, gradient }),
    };
  }

  static async create(gpu: Gpu, arena: Arena, options: StructureOptions): Promise<Structure> {
    const [halve, correlate, finish] = await Promise.all([
      gpu.kernel(STRUCTURE_HALVE),
      gpu.kernel(STRUCTURE_CORRELATE),
      gpu.kernel(STRUCTURE_FINISH),
    ]);
    const backward = options.gradient && (await gpu.kernel(STRUCTURE_BACKWARD));
    return new Structure(arena, options, { halve, correlate, finish, backward });
  }

  /** Uploads the size of the next submitted pair, its slot, and the weight of its loss. */
  set({ width, height }: PictureSize, { slot = 0, weight = 1 } = {}): void {
    const [halfWidth, halfHeight] = [Math.floor(width / 2), Math.floor(height / 2)];
    this.#places = halfWidth * halfHeight;
    this.#chunks = Math.ceil((halfWidth * Math.max(0, halfHeight - 1)) / CHUNK);
    const values = { width, halfWidth, halfHeight, chunks: this.#chunks, slot, weight };
    this.#gpu.write(this.#size, this.#kernels.halve.pack('Size', values), 'parameters');
  }

  /** Overwrites the sums in the slot. */
  record(recorder: Recorder): void {
    const { halve, correlate, finish } = this.#steps;
    if (this.#places) recorder.run(halve, gridFor(this.#places, THREADS));
    if (this.#chunks) recorder.run(correlate, gridFor(this.#chunks, 1));
    recorder.run(finish, 1);
  }

  /** After `record`: adds the gradient of weight·(1 − ρ). It is 0 where either picture has no edge at all. */
  recordBackward(recorder: Recorder): void {
    const { backward } = this.#steps;
    if (!backward) throw new Error('structure was created without a gradient');
    if (this.#places) recorder.run(backward, gridFor(this.#places, THREADS));
  }
}

/** ρ from the sums of a pair. Undefined if the base has no edges; 0 if the picture alone has none. */
export function correlation(sums: ArrayLike<number>): number | undefined {
  const [both, picture, base] = Array.from(sums);
  if (!(base > 0)) return undefined;
  return picture > 0 ? both / Math.sqrt(picture * base) : 0;
}
