import {
  type Arena,
  type BoundKernel,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
} from '../core/index.ts';

const HALF_PICTURE = {
  variants: { portable: { source: new URL('./half-picture.wgsl', import.meta.url) } },
};
export const PACK_HALVES = defineKernel({
  ...HALF_PICTURE,
  label: 'image/half-picture/pack',
  entry: 'pack',
});
export const COMPOSITE_HALVES = defineKernel({
  ...HALF_PICTURE,
  label: 'image/half-picture/composite',
  entry: 'composite',
});

/** Bytes a pixel: rgb premultiplied by alpha, and alpha, as f16. */
export const HALF_PICTURE_BYTES = 8;

/** A picture in half precision, bound to the f32 picture of a `HalfPictures`. */
export interface BoundHalves {
  readonly pixels: number;
  readonly pack: BoundKernel;
  readonly composite: BoundKernel;
}

/**
 * Stores rendered pictures in half precision and composites them over a background. f16 has 11 significant bits: a value in
 * [0.5, 1] is off by 2⁻¹² to the nearest and by less than 2⁻¹¹ where the driver truncates.
 */
export class HalfPictures {
  readonly #gpu: Gpu;
  readonly #picture: GPUBuffer;
  readonly #view: GPUBuffer;
  readonly #kernels: { pack: Kernel; composite: Kernel };

  private constructor(arena: Arena, picture: GPUBuffer, kernels: { pack: Kernel; composite: Kernel }) {
    this.#gpu = arena.gpu;
    this.#picture = picture;
    this.#kernels = kernels;
    this.#view = arena.uniform('half-picture/view', kernels.pack.struct('View').size);
  }

  /** `picture`: f32 [H, W, 4], the input of `pack` and the output of `composite`. */
  static async create(gpu: Gpu, arena: Arena, picture: GPUBuffer): Promise<HalfPictures> {
    const [pack, composite] = await Promise.all([gpu.kernel(PACK_HALVES), gpu.kernel(COMPOSITE_HALVES)]);
    return new HalfPictures(arena, picture, { pack, composite });
  }

  /** `halves`: f16 [P, 4], `HALF_PICTURE_BYTES` a pixel. Bind once, record many times. */
  bind(halves: GPUBuffer, pixels: number): BoundHalves {
    const buffers = { view: this.#view, picture: this.#picture, halves };
    return {
      pixels,
      pack: this.#kernels.pack.bind(buffers),
      composite: this.#kernels.composite.bind(buffers),
    };
  }

  /** Uploads the parameters of the next submitted `recordPack` or `recordComposite`. */
  set({ pixels }: BoundHalves, background: ArrayLike<number> = [0, 0, 0]): void {
    this.#gpu.write(this.#view, this.#kernels.pack.pack('View', { background, pixels }), 'parameters');
  }

  /** Packs the picture, which is rendered on black. */
  recordPack(recorder: Recorder, { pack, pixels }: BoundHalves): void {
    recorder.run(pack, gridFor(pixels, 256));
  }

  /** Overwrites the picture: rgb with the background, and alpha. */
  recordComposite(recorder: Recorder, { composite, pixels }: BoundHalves): void {
    recorder.run(composite, gridFor(pixels, 256));
  }
}
