import { type Arena, defineKernel, type Gpu, type Kernel } from '../core/index.ts';
import { EXPOSURE_FLOATS, type ExposureOptions, NEUTRAL_EXPOSURE } from './exposure.ts';

/** Workgroups: the order of the sums depends on it. */
const GROUPS = 64;
export const EXPOSURE_FIT = defineKernel({
  label: 'image/exposure-fit',
  constants: { THREADS: 256, GROUPS },
  example: { MASKED: true },
  variants: { portable: { source: new URL('./exposure-fit.wgsl', import.meta.url) } },
});

/** Words of four floats per group: see exposure-fit.wgsl. */
const FIT_SUMS = 8;
/** Weight of the neutral exposure per pixel: decides where a picture of few colours leaves the exposure open. */
const FIT_RIDGE = 1e-6;

/** Options of `ExposureFit.create`. */
export interface ExposureFitOptions extends Pick<ExposureOptions, 'label' | 'color'> {
  /** The struct ExposureView: `Exposure.view`. */
  view: GPUBuffer;
  /** Leaves out the pixels of the photograph whose alpha is below 255. */
  masked?: boolean;
}

/** Fits an exposure to a photograph: least squares over the pixels. */
export class ExposureFit {
  readonly #kernel: Kernel;
  readonly #options: ExposureFitOptions;
  readonly #partials: GPUBuffer;
  readonly #gpu: Gpu;

  private constructor(gpu: Gpu, arena: Arena, options: ExposureFitOptions, kernel: Kernel) {
    this.#gpu = gpu;
    this.#kernel = kernel;
    this.#options = options;
    this.#partials = arena.buffer(`${options.label}/partials`, 16 * FIT_SUMS * GROUPS);
  }

  /** Compiles the kernel and allocates a small buffer in the arena. */
  static async create(gpu: Gpu, arena: Arena, options: ExposureFitOptions): Promise<ExposureFit> {
    return new ExposureFit(
      gpu,
      arena,
      options,
      await gpu.kernel(EXPOSURE_FIT, { constants: { MASKED: options.masked ?? false } }),
    );
  }

  /** The exposure that takes the picture nearest to the photograph, u32 [H, W], rgba8. */
  async fit(photo: GPUBuffer): Promise<Float32Array> {
    const { label, view, color } = this.#options;
    const bound = this.#kernel.bind({ view, color, photo, partials: this.#partials });
    this.#gpu.run(`${label}/fit`, (recorder) => recorder.run(bound, GROUPS));
    const floats = await this.#gpu.readFloats(this.#partials, 'metrics', 4 * FIT_SUMS * GROUPS);
    const sums = new Float64Array(4 * FIT_SUMS);
    floats.forEach((value, i) => {
      sums[i % sums.length] += value;
    });
    return solveExposure(sums);
  }
}

/** Solves the normal equations of exposure-fit.wgsl. */
function solveExposure(sums: Float64Array): Float32Array {
  const [rr, rg, rb] = sums.subarray(0);
  const [gg, gb, bb] = sums.subarray(4);
  const [r, g, b] = sums.subarray(8);
  const pixels = sums[28];
  if (!pixels) return Float32Array.from(NEUTRAL_EXPOSURE);
  const ridge = FIT_RIDGE * pixels;
  const matrix = [
    [rr, rg, rb, r],
    [rg, gg, gb, g],
    [rb, gb, bb, b],
    [r, g, b, pixels],
  ];
  matrix.forEach((row, i) => {
    row[i] += ridge;
  });
  const result = new Float32Array(EXPOSURE_FLOATS);
  for (let c = 0; c < 3; c++) {
    const right = [0, 1, 2, 3].map(
      (k) => (k < 3 ? sums[4 * (3 + c) + k] : sums[24 + c]) + ridge * NEUTRAL_EXPOSURE[4 * c + k],
    );
    result.set(solve(matrix, right), 4 * c);
  }
  return result;
}

/** The solution of a symmetric positive definite system, by Gaussian elimination. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]]);
  const size = rows.length;
  for (let i = 0; i < size; i++) {
    for (let k = i + 1; k < size; k++) {
      const factor = rows[k][i] / rows[i][i];
      for (let j = i; j <= size; j++) rows[k][j] -= factor * rows[i][j];
    }
  }
  const solution = new Array<number>(size).fill(0);
  for (let i = size - 1; i >= 0; i--) {
    const known = solution.reduce((sum, value, j) => sum + rows[i][j] * value, 0);
    solution[i] = (rows[i][size] - known) / rows[i][i];
  }
  return solution;
}
