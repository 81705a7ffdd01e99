import { type BoundKernel, type Gpu, gridFor, type Kernel, type Recorder } from '../core/index.ts';

/** Turns finished pixels (u32 [H, W], rgba8) into the pictures that engines read (f32 [H, W, 4], 0–1). */
export class FromRgba8 {
  readonly #kernel: Kernel;
  readonly #pixels: number;

  private constructor(kernel: Kernel, pixels: number) {
    this.#kernel = kernel;
    this.#pixels = pixels;
  }

  /** For pictures of `pixels` = H·W. */
  static async create(gpu: Gpu, pixels: number): Promise<FromRgba8> {
    const kernel = await gpu.kernel({
      label: 'image/from-rgba8',
      source: new URL('./from-rgba8.wgsl', import.meta.url),
      constants: { PIXELS: pixels },
    });
    return new FromRgba8(kernel, pixels);
  }

  bind(rgba8: GPUBuffer, picture: GPUBuffer): BoundKernel {
    return this.#kernel.bind({ rgba8, picture });
  }

  record(recorder: Recorder, bound: BoundKernel): void {
    recorder.run(bound, gridFor(this.#pixels, 256));
  }
}
