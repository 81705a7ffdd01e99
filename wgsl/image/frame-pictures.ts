import {
  type BoundKernel,
  type Constants,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type KernelDefinition,
  type Recorder,
} from '../core/index.ts';

/** Bits below those by which `DEPTH_HISTOGRAM` orders depths: a bin spans at most 1/32 of its depth. */
export const DEPTH_BIN_SHIFT = 18;
/** Bins up to the largest float. */
export const DEPTH_BINS = 0x7f800000 >>> DEPTH_BIN_SHIFT;

const PIXELS = 4096;

/** Binds `rgba8` and `straight`; its constants RED, GREEN and BLUE are the background. */
export const STRAIGHT_ALPHA = defineKernel({
  label: 'image/straight-alpha',
  example: { PIXELS, RED: 1, GREEN: 0.5, BLUE: 0 },
  variants: { portable: { source: new URL('./straight-alpha.wgsl', import.meta.url) } },
});
/** Binds `rgba8` and `gray`. */
export const ALPHA_PICTURE = defineKernel({
  label: 'image/alpha-picture',
  example: { PIXELS },
  variants: { portable: { source: new URL('./alpha-picture.wgsl', import.meta.url) } },
});
/** Binds `rgba8`, `depth` and `counts`, u32 [`DEPTH_BINS`]. */
export const DEPTH_HISTOGRAM = defineKernel({
  label: 'image/depth-histogram',
  constants: { BINS: DEPTH_BINS, BIN_SHIFT: DEPTH_BIN_SHIFT },
  example: { PIXELS },
  variants: { portable: { source: new URL('./depth-histogram.wgsl', import.meta.url) } },
});
/** Binds `range` (a uniform), `rgba8`, `depth`, `units` and `preview`. */
export const DEPTH_PICTURE = defineKernel({
  label: 'image/depth-picture',
  example: { PIXELS },
  variants: { portable: { source: new URL('./depth-picture.wgsl', import.meta.url) } },
});
/** Binds `picture` and `rgba8`. */
export const NORMAL_PICTURE = defineKernel({
  label: 'image/normal-picture',
  example: { PIXELS },
  variants: { portable: { source: new URL('./normal-picture.wgsl', import.meta.url) } },
});

/** One of the kernels above, for frames of one size. */
export class FramePicture {
  readonly kernel: Kernel;
  readonly #pixels: number;

  private constructor(kernel: Kernel, pixels: number) {
    this.kernel = kernel;
    this.#pixels = pixels;
  }

  /** Compiles the kernel for frames of `pixels` = H·W. */
  static async create(
    gpu: Gpu,
    definition: KernelDefinition,
    pixels: number,
    constants: Constants = {},
  ): Promise<FramePicture> {
    const kernel = await gpu.kernel(definition, { constants: { ...constants, PIXELS: pixels } });
    return new FramePicture(kernel, pixels);
  }

  bind(buffers: Record<string, GPUBuffer>): BoundKernel {
    return this.kernel.bind(buffers);
  }

  record(recorder: Recorder, bound: BoundKernel): void {
    recorder.run(bound, gridFor(this.#pixels, 256));
  }
}

/** The depths at the given shares of what `DEPTH_HISTOGRAM` counted: the lower edge of a bin, and the upper for a share of 1. */
export function depthQuantiles(counts: Uint32Array, shares: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const edge = (bin: number) => new Float32Array(Uint32Array.of(bin << DEPTH_BIN_SHIFT).buffer)[0];
  return shares.map((share) => {
    const wanted = Math.max(1, share * total);
    let bin = 0;
    for (let sum = 0; bin < counts.length; bin++) {
      sum += counts[bin];
      if (sum >= wanted) break;
    }
    return edge(share === 1 ? bin + 1 : bin);
  });
}
