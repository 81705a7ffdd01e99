import {
  type Arena,
  type BoundKernel,
  bindRows,
  defineKernel,
  type Gpu,
  gridFor,
  type Kernel,
  type Recorder,
  rowWindows,
} from '../../core/index.ts';

const GROUP = 256;

export const COLOR_DECAY = defineKernel({
  label: 'splat/edit/color-decay',
  constants: { GROUP },
  variants: { portable: { source: new URL('./color-decay.wgsl', import.meta.url) } },
});

/** How fast the two parts of a change of colour decay: a step takes away `rate` times this, at most all. */
export interface DecayRates {
  chroma: number;
  luminance: number;
}

/** Options of `ColorDecay.create`. */
export interface ColorDecayOptions {
  /** f32 [count, (shDegree+1)², 3]: changed in place. */
  sh: GPUBuffer;
  /** The same at the start, which stays as it is. */
  start: GPUBuffer;
  count: number;
  shDegree: number;
  /** u32; 0 in a void step, which changes nothing. */
  gaussianCount: GPUBuffer;
  rates: DecayRates;
}

interface Pass {
  uniform: GPUBuffer;
  coefficients: number;
  bound: BoundKernel;
  groups: readonly [number, number, number];
}

/**
 * Pulls the SH of an optimisation back to those of its start, after each step of the optimiser: the weight decay of AdamW (Loshchilov
 * and Hutter 2019) towards a starting point instead of 0 (L2-SP, Li et al. 2018), separately for chroma and luminance. Where a gradient
 * pulls a colour in one direction at every step, it moves the colour by at most about 1 / rate, in units of SH.
 */
export class ColorDecay {
  readonly #gpu: Gpu;
  readonly #kernel: Kernel;
  readonly #passes: readonly Pass[];
  readonly #rates: DecayRates;

  private constructor(gpu: Gpu, kernel: Kernel, passes: readonly Pass[], rates: DecayRates) {
    this.#gpu = gpu;
    this.#kernel = kernel;
    this.#passes = passes;
    this.#rates = rates;
  }

  /** The arena owns the uniforms. */
  static async create(arena: Arena, options: ColorDecayOptions): Promise<ColorDecay> {
    const { gpu } = arena;
    const { sh, start, count, shDegree, gaussianCount, rates } = options;
    const kernel = await gpu.kernel(COLOR_DECAY);
    const width = (shDegree + 1) ** 2;
    const rowBytes = 12 * width;
    const passes = (count ? rowWindows(gpu, count, rowBytes) : []).map((window): Pass => {
      const uniform = arena.uniform('color-decay/shares', kernel.struct('Decay').size);
      const coefficients = window.rows * width;
      const rows = (buffer: GPUBuffer) => bindRows(buffer, window, rowBytes);
      const bound = kernel.bind({ decay: uniform, gaussianCount, sh: rows(sh), start: rows(start) });
      return { uniform, coefficients, bound, groups: gridFor(coefficients, GROUP) };
    });
    return new ColorDecay(gpu, kernel, passes, rates);
  }

  /** Uploads the optimiser's learning rate of the next submitted `record`. */
  set(rate: number): void {
    const share = (decay: number) => Math.min(1, rate * decay);
    const shares = { chroma: share(this.#rates.chroma), luminance: share(this.#rates.luminance) };
    for (const { uniform, coefficients } of this.#passes)
      this.#gpu.write(uniform, this.#kernel.pack('Decay', { coefficients, ...shares }), 'parameters');
  }

  /** Records the decay, after each step. */
  record(recorder: Recorder): void {
    for (const { bound, groups } of this.#passes) recorder.run(bound, groups);
  }
}
