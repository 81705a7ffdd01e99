import {
  type BoundKernel,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
} from '../core/index.ts';

export const TO_RGBA8 = defineKernel({
  label: 'image/to-rgba8',
  example: { PIXELS: 4096 },
  variants: { portable: { source: new URL('./to-rgba8.wgsl', import.meta.url) } },
});

/** Converts pictures (f32 [H, W, 4]) to finished pixels (u32 [H, W], rgba8): clamped, rounded half up. */
export class ToRgba8 {
  readonly #kernel: Kernel;
  readonly #pixels: number;

  private constructor(kernel: Kernel, pixels: number) {
    this.#kernel = kernel;
    this.#pixels = pixels;
  }

  /** Compiles the kernel for pictures of `pixels` = H·W. */
  static async create(gpu: Gpu, pixels: number): Promise<ToRgba8> {
    const kernel = await gpu.kernel(TO_RGBA8, { constants: { PIXELS: pixels } });
    return new ToRgba8(kernel, pixels);
  }

  /** Binds a picture and its pixels, f32 [H, W, 4] to u32 [H, W]. Bind once, record many times. */
  bind(picture: GPUBuffer, rgba8: GPUBuffer): BoundKernel {
    return this.#kernel.bind({ picture, rgba8 });
  }

  /** Records the conversion. */
  record(recorder: Recorder, bound: BoundKernel): void {
    recorder.run(bound, gridFor(this.#pixels, 256));
  }
}
