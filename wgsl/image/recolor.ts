import {
  type Arena,
  type BoundKernel,
  defineKernel,
  gridFor,
  type Kernel,
  type Recorder,
} from '../core/index.ts';

const GROUP = 256;

export const RECOLOR = defineKernel({
  label: 'image/recolor',
  constants: { GROUP },
  variants: { portable: { source: new URL('./recolor.wgsl', import.meta.url) } },
});

type Row = readonly [number, number, number];

/** c' = matrix·c + offset of rgb colours, before negative values are clamped to 0. */
export interface ColorChange {
  /** Rows. */
  matrix: readonly [Row, Row, Row];
  offset: Row;
}

/** A picture and its result, f32 [H, W, 4], bound once. */
export interface BoundRecolor {
  readonly pixels: number;
  readonly bound: BoundKernel;
}

/** Affine changes of the colours of pictures that are rendered on black, over a background. */
export class PictureRecolor {
  readonly #arena: Arena;
  readonly #kernel: Kernel;
  readonly #uniform: GPUBuffer;

  private constructor(arena: Arena, kernel: Kernel) {
    this.#arena = arena;
    this.#kernel = kernel;
    this.#uniform = arena.uniform('recolor/change', kernel.struct('Recolor').size);
  }

  /** The arena owns the uniform. */
  static async create(arena: Arena): Promise<PictureRecolor> {
    return new PictureRecolor(arena, await arena.gpu.kernel(RECOLOR));
  }

  /** `picture`: rgb premultiplied by alpha, and alpha. `result` may not be the same buffer. */
  bind(picture: GPUBuffer, result: GPUBuffer, pixels: number): BoundRecolor {
    return { pixels, bound: this.#kernel.bind({ recolor: this.#uniform, picture, result }) };
  }

  /** Uploads the parameters of the next submitted `record`. */
  set({ pixels }: BoundRecolor, { matrix, offset }: ColorChange, background: Row): void {
    const [red, green, blue] = matrix.map((row, channel) => [...row, offset[channel]]);
    const packed = this.#kernel.pack('Recolor', { red, green, blue, background, pixels });
    this.#arena.gpu.write(this.#uniform, packed, 'parameters');
  }

  /** Overwrites the result: rgb over the background, and alpha. */
  record(recorder: Recorder, { bound, pixels }: BoundRecolor): void {
    recorder.run(bound, gridFor(pixels, GROUP));
  }
}
