import {
  type BoundKernel,
  type Constants,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
} from '../core/index.ts';

/** The colour space of the planes, as WebCodecs names it. Pictures are gamma-encoded, as photographs are. */
export const BT709 = { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false } as const;

/** Weights of red and blue in luma; green has the rest (Rec. ITU-R BT.709-6, item 3.2). */
const RED = 0.2126;
const BLUE = 0.0722;
/** Codes from black to white, and from one end of chroma to the other (item 4.6). */
const LUMA_CODES = 219;
const CHROMA_CODES = 224;
/** Bits of the fraction: sums stay below 2^28, and differ from the exact value by less than 1e-3 of a code. */
const FRACTION_BITS = 20;

export const TO_I420 = defineKernel({
  label: 'image/to-i420',
  constants: { FRACTION_BITS, ...weights() },
  example: { WIDTH: 64, HEIGHT: 48 },
  variants: { portable: { source: new URL('./to-i420.wgsl', import.meta.url) } },
});

/** Bytes of a picture's planes. */
export function i420Bytes(width: number, height: number): number {
  return (3 * width * height) / 2;
}

/** Converts finished pixels (u32 [H, W], rgba8; alpha is ignored) to I420 planes: Y' [H, W], Cb and Cr [H/2, W/2], a byte each. */
export class ToI420 {
  readonly #kernel: Kernel;
  readonly #bytes: number;

  private constructor(kernel: Kernel, bytes: number) {
    this.#kernel = kernel;
    this.#bytes = bytes;
  }

  /** For pictures of one size, even in both directions. */
  static async create(gpu: Gpu, width: number, height: number): Promise<ToI420> {
    if (width % 2 || height % 2) {
      throw new Error(`I420 has one chroma value for 2×2 pixels: sizes must be even, got ${width}×${height}`);
    }
    const kernel = await gpu.kernel(TO_I420, { constants: { WIDTH: width, HEIGHT: height } });
    return new ToI420(kernel, i420Bytes(width, height));
  }

  /** `planes` has room for `i420Bytes`, in whole words. */
  bind(rgba8: GPUBuffer, planes: GPUBuffer): BoundKernel {
    return this.#kernel.bind({ rgba8, planes });
  }

  record(recorder: Recorder, bound: BoundKernel): void {
    recorder.run(bound, gridFor(Math.ceil(this.#bytes / 4), 256));
  }
}

/** Weights in fixed point. The third of each completes the exact sum, so that grey has no chroma and white is the last code. */
function weights(): Constants {
  const fixed = (value: number) => Math.round(2 ** FRACTION_BITS * value);
  const luma = LUMA_CODES / 255;
  // Of the sum over 2×2 pixels.
  const chroma = CHROMA_CODES / 255 / 4;
  const lumaRed = fixed(luma * RED);
  const lumaBlue = fixed(luma * BLUE);
  const cbRed = fixed((-chroma * RED) / (2 * (1 - BLUE)));
  const crBlue = fixed((-chroma * BLUE) / (2 * (1 - RED)));
  const own = fixed(chroma / 2);
  return {
    LUMA_RED: lumaRed,
    LUMA_GREEN: fixed(luma) - lumaRed - lumaBlue,
    LUMA_BLUE: lumaBlue,
    LUMA_OFFSET: fixed(16.5),
    CB_RED: cbRed,
    CB_GREEN: -own - cbRed,
    CB_BLUE: own,
    CR_RED: own,
    CR_GREEN: -own - crBlue,
    CR_BLUE: crBlue,
    CHROMA_OFFSET: fixed(128.5),
  };
}
