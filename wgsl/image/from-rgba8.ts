import {
  type BoundKernel,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
} from '../core/index.ts';

export const FROM_RGBA8 = defineKernel({
  label: 'image/from-rgba8',
  example: { PIXELS: 4096 },
  variants: { portable: { source: new URL('./from-rgba8.wgsl', import.meta.url) } },
});

/** Converts finished pixels (u32 [H, W], rgba8) to the pictures that engines read (f32 [H, W, 4], 0–1). */
export class FromRgba8 {
  readonly #kernel: Kernel;
  readonly #pixels: number;

  private constructor(kernel: Kernel, pixels: number) {
    this.#kernel = kernel;
    this.#pixels = pixels;
  }

  /** Compiles the kernel for pictures of `pixels` = H·W. */
  static async create(gpu: Gpu, pixels: number): Promise<FromRgba8> {
    const kernel = await gpu.kernel(FROM_RGBA8, { constants: { PIXELS: pixels } });
    return new FromRgba8(kernel, pixels);
  }

  /** Binds a picture and its pixels, u32 [H, W] to f32 [H, W, 4]. Bind once, record many times. */
  bind(rgba8: GPUBuffer, picture: GPUBuffer): BoundKernel {
    return this.#kernel.bind({ rgba8, picture });
  }

  /** Records the conversion. */
  record(recorder: Recorder, bound: BoundKernel): void {
    recorder.run(bound, gridFor(this.#pixels, 256));
  }
}
