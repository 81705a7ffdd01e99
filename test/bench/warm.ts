import { type BoundKernel, defineKernel, type Gpu } from '../../wgsl/core/index.ts';

const SIZE = 256;
const WARM = defineKernel({
  label: 'bench/warm',
  constants: { SIZE },
  variants: { portable: { source: new URL('./warm.wgsl', import.meta.url) } },
});

/** Enough workgroups for every core of a large GPU, several times. */
const GROUPS = 2048;
/** Multiply-adds of a dispatch: less than a millisecond on a GPU. */
const ITERATIONS = 1024;

/**
 * Raises the clock of a GPU right before a measurement. A card that idles, or has gaps between small submissions, lowers its clock within
 * a second, an H200 to a fifth; work that follows without a pause finds it at its full rate.
 */
export class Warmer {
  readonly #gpu: Gpu;
  readonly #bound: BoundKernel;
  readonly #buffers: readonly GPUBuffer[];
  #dispatches = 1;

  private constructor(gpu: Gpu, bound: BoundKernel, buffers: readonly GPUBuffer[]) {
    this.#gpu = gpu;
    this.#bound = bound;
    this.#buffers = buffers;
  }

  /** `ms`: how long the GPU is busy at least. 0 makes `run` do nothing. */
  static async create(gpu: Gpu, ms: number): Promise<Warmer> {
    const kernel = await gpu.kernel(WARM);
    const result = gpu.buffer('bench/warm/result', 64);
    const iterations = gpu.uniform('bench/warm/iterations', 4);
    gpu.write(iterations, new Uint32Array([ITERATIONS]), 'parameters');
    const warmer = new Warmer(gpu, kernel.bind({ result, iterations }), [result, iterations]);
    if (ms) await warmer.#calibrate(ms);
    else warmer.#dispatches = 0;
    return warmer;
  }

  /** Submits the work; does not wait. */
  run(): void {
    if (!this.#dispatches) return;
    this.#gpu.run('bench/warm', (recorder) => {
      for (let i = 0; i < this.#dispatches; i++) recorder.run(this.#bound, GROUPS);
    });
  }

  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
  }

  /** Doubles the work until it takes that long: the last time is that of the raised clock. */
  async #calibrate(ms: number): Promise<void> {
    await this.#time();
    while ((await this.#time()) < ms) this.#dispatches *= 2;
  }

  async #time(): Promise<number> {
    const start = performance.now();
    this.run();
    await this.#gpu.settle();
    return performance.now() - start;
  }
}
