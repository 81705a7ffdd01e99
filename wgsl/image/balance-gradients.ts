import {
  type Arena,
  type BoundKernel,
  defineKernel,
  type Gpu,
  type Kernel,
  type Recorder,
} from '../core/index.ts';

/** Workgroups of both kernels, and their invocations: the order of sums depends on them. */
const GROUPS = 64;
const THREADS = 256;

export const GRADIENT_SQUARES = defineKernel({
  label: 'image/gradient-squares',
  constants: { GROUPS, THREADS },
  variants: { portable: { source: new URL('./gradient-squares.wgsl', import.meta.url) } },
});
export const BALANCE_GRADIENTS = defineKernel({
  label: 'image/balance-gradients',
  constants: { GROUPS, THREADS },
  variants: { portable: { source: new URL('./balance-gradients.wgsl', import.meta.url) } },
});

/** Buffers of `BalancedGradients`: three image gradients, f32 [H, W, 4], tightly packed. */
export interface BalancedGradientBuffers {
  first: GPUBuffer;
  second: GPUBuffer;
  /** Overwritten. */
  gradient: GPUBuffer;
}

/**
 * Adds two image gradients by their directions: first/‖first‖ + weight·second/‖second‖, with Euclidean norms over the whole image. So
 * `weight` is the ratio of the two, whatever their losses. A gradient of norm 0 adds nothing. Sums have a fixed order.
 */
export class BalancedGradients {
  readonly #gpu: Gpu;
  readonly #squares: BoundKernel;
  readonly #balance: BoundKernel;
  readonly #layout: Kernel;
  readonly #sizes: GPUBuffer;
  readonly #weight: number;
  #pixels = 0;

  private constructor(
    arena: Arena,
    squares: Kernel,
    balance: Kernel,
    buffers: BalancedGradientBuffers,
    weight: number,
  ) {
    this.#gpu = arena.gpu;
    this.#layout = balance;
    this.#weight = weight;
    this.#sizes = arena.uniform('balance/sizes', balance.struct('Sizes').size);
    const { first, second, gradient } = buffers;
    const partials = arena.buffer('balance/partials', 16 * GROUPS);
    const shared = { sizes: this.#sizes, first, second, partials };
    this.#squares = squares.bind(shared);
    this.#balance = balance.bind({ ...shared, gradient });
  }

  /** Compiles the kernels. `arena` owns the buffers that it adds. @throws Error when the weight is not a finite number ≥ 0. */
  static async create(
    arena: Arena,
    buffers: BalancedGradientBuffers,
    weight: number,
  ): Promise<BalancedGradients> {
    if (!(weight >= 0 && Number.isFinite(weight)))
      throw new Error(`a weight is a finite number ≥ 0, got ${weight}`);
    const [squares, balance] = await Promise.all([
      arena.gpu.kernel(GRADIENT_SQUARES),
      arena.gpu.kernel(BALANCE_GRADIENTS),
    ]);
    return new BalancedGradients(arena, squares, balance, buffers, weight);
  }

  /** Sets the number of pixels of the next submitted step's image. */
  setPixels(pixels: number): void {
    if (pixels === this.#pixels) return;
    this.#gpu.write(this.#sizes, this.#layout.pack('Sizes', { pixels, weight: this.#weight }), 'parameters');
    this.#pixels = pixels;
  }

  /** Records both kernels. */
  record(recorder: Recorder): void {
    recorder.run(this.#squares, [GROUPS]);
    recorder.run(this.#balance, [GROUPS]);
  }
}
