import { type Arena, defineKernel, type Gpu, gridFor, type Kernel } from '../core/index.ts';

export const WARP_ERROR = defineKernel({
  label: 'image/warp-error',
  example: { MIN_ALPHA: 128, DEPTH_TOLERANCE: 0.01 },
  variants: { portable: { source: new URL('./warp-error.wgsl', import.meta.url) } },
});
export const WARP_ERROR_FINISH = defineKernel({
  ...WARP_ERROR,
  label: 'image/warp-error/finish',
  entry: 'finish',
});

/** A pinhole view: intrinsics in pixels, and `viewmat` [4,4] row-major, world → camera (rigid). */
interface Pinhole {
  width: number;
  height: number;
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  viewmat: readonly number[];
}

/** A finished picture: colour u32 [H, W] rgba8, depth f32 [H, W] mean camera z. */
interface Picture {
  camera: Pinhole;
  color: GPUBuffer;
  depth: GPUBuffer;
}

export interface WarpErrorOptions {
  /** Size that all pictures share. */
  width: number;
  height: number;
  /** Maximum number of pairs between two calls of `read`. */
  pairs: number;
  /** Minimum alpha, as an 8-bit level, of a covered pixel. */
  minAlpha: number;
  /** Largest |depth in A − depth of the point| ÷ depth of the point at which the two are the same surface. */
  depthTolerance: number;
}

/** Sums over one pair. */
export interface WarpSums {
  /** Sum of squared differences over co-visible pixels and three channels, colours in 0–1. */
  squared: number;
  /** Pixels of the later picture that are visible in the earlier one too. */
  covisible: number;
  /** Pixels of the later picture that the splat covers. */
  covered: number;
}

/**
 * Compares neighbouring pictures after warping one into the other by rendered depth (the WGSL defines co-visible pixels).
 * After the warping error of Lai et al., "Learning Blind Video Temporal Consistency", ECCV 2018, with the optical flow
 * replaced by the scene's own depth and cameras.
 */
export class WarpError {
  readonly #gpu: Gpu;
  readonly #arena: Arena;
  readonly #main: Kernel;
  readonly #finish: Kernel;
  readonly #options: WarpErrorOptions;
  readonly #pair: GPUBuffer;
  readonly #partials: GPUBuffer;
  readonly #result: GPUBuffer;
  #used = 0;

  private constructor(arena: Arena, main: Kernel, finish: Kernel, options: WarpErrorOptions) {
    this.#gpu = arena.gpu;
    this.#arena = arena;
    this.#main = main;
    this.#finish = finish;
    this.#options = options;
    this.#pair = this.#arena.uniform('pair', main.struct('Pair').size);
    this.#partials = this.#arena.buffer('partials', 16 * Math.ceil((options.width * options.height) / 256));
    this.#result = this.#arena.buffer('result', 16 * options.pairs);
  }

  static async create(gpu: Gpu, label: string, options: WarpErrorOptions): Promise<WarpError> {
    const constants = { MIN_ALPHA: options.minAlpha, DEPTH_TOLERANCE: options.depthTolerance };
    const [main, finish] = await Promise.all([
      gpu.kernel(WARP_ERROR, { constants }),
      gpu.kernel(WARP_ERROR_FINISH, { constants }),
    ]);
    const arena = gpu.arena(`${label}/warp-error`);
    try {
      return new WarpError(arena, main, finish, options);
    } catch (error) {
      arena.destroy();
      throw error;
    }
  }

  /** Submits the comparison of `b` with `a` warped into it; does not wait. Throws when `pairs` were submitted already. */
  measure(a: Picture, b: Picture): void {
    const { width, height, pairs } = this.#options;
    for (const { camera } of [a, b]) {
      if (camera.width !== width || camera.height !== height) {
        throw new Error(`warp-error is for ${width}×${height}, got ${camera.width}×${camera.height}`);
      }
    }
    if (this.#used >= pairs) throw new Error(`warp-error has room for ${pairs} pairs`);
    const rows = relativePose(a.camera.viewmat, b.camera.viewmat);
    this.#gpu.write(
      this.#pair,
      this.#main.pack('Pair', {
        aFromBX: rows.slice(0, 4),
        aFromBY: rows.slice(4, 8),
        aFromBZ: rows.slice(8, 12),
        lensA: lens(a.camera),
        lensB: lens(b.camera),
        size: [width, height],
        slot: this.#used++,
      }),
      'parameters',
    );
    const buffers = {
      pair: this.#pair,
      colorA: a.color,
      depthA: a.depth,
      colorB: b.color,
      depthB: b.depth,
      partials: this.#partials,
      result: this.#result,
    };
    const main = this.#main.bind(buffers);
    const finish = this.#finish.bind(buffers);
    this.#gpu.run('image/warp-error', (recorder) => {
      recorder.run(main, gridFor(width * height, 256)).run(finish, 1);
    });
  }

  /** The sums of all pairs measured since the last read, in order. Reads 16 bytes a pair as metrics. */
  async read(): Promise<WarpSums[]> {
    const count = this.#used;
    this.#used = 0;
    if (!count) return [];
    const floats = await this.#gpu.readFloats(this.#result, 'metrics', 4 * count);
    return Array.from({ length: count }, (_, i) => {
      const [squared, covisible, covered] = floats.subarray(4 * i, 4 * i + 3);
      return { squared, covisible, covered };
    });
  }

  destroy(): void {
    this.#arena.destroy();
  }
}

const lens = ({ fx, fy, cx, cy }: Pinhole) => [fx, fy, cx, cy];

/** Rows [3,4] of A·B⁻¹ for rigid world → camera matrices, in double precision: neighbouring views differ by little. */
export function relativePose(a: readonly number[], b: readonly number[]): number[] {
  const rows: number[] = [];
  for (let i = 0; i < 3; i++) {
    const turn = [0, 1, 2].map(
      (j) => a[4 * i] * b[4 * j] + a[4 * i + 1] * b[4 * j + 1] + a[4 * i + 2] * b[4 * j + 2],
    );
    rows.push(...turn, a[4 * i + 3] - (turn[0] * b[3] + turn[1] * b[7] + turn[2] * b[11]));
  }
  return rows;
}
