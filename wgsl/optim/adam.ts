import {
  type Arena,
  type BoundKernel,
  bindRows,
  defineKernel,
  type Gpu,
  loopingGrid,
  type Recorder,
  rowWindows,
  windowUniform,
} from '../core/index.ts';

const SIZE = 256;
export const ADAM = defineKernel({
  label: 'optim/adam',
  constants: { SIZE },
  example: { WIDTH: 3, HEAD: 3, TENSOR: 0, TENSORS: 1, BETA1: 0.9, BETA2: 0.999, EPSILON: 1e-15 },
  variants: { portable: { source: new URL('./adam.wgsl', import.meta.url) } },
});

/** A tensor that `Adam` updates. */
export interface AdamTensor {
  /** The name of its rate in `Adam.setStep`. */
  name: string;
  /** f32 [rows, width]; changed in place. */
  parameters: GPUBuffer;
  /** f32 [rows, width]. */
  gradients: GPUBuffer;
  /** First and second moment, f32 [rows, width]; zero at the start. */
  moments: { m: GPUBuffer; v: GPUBuffer };
  /** Number of rows in the buffers. */
  rows: number;
  /** Floats per row. */
  width: number;
  /** The first `head` floats of each row take the first of two rates. */
  head?: number;
}

/** Options of `Adam.create`. */
export interface AdamOptions {
  /** Prefix of the buffers' labels. */
  label: string;
  /** u32; word 0 is the number of rows to update, read when the kernels run. */
  gaussianCount: GPUBuffer;
  /** Updated in this order. */
  tensors: readonly AdamTensor[];
  /** 0.9 unless given. */
  beta1?: number;
  /** 0.999 unless given. */
  beta2?: number;
  /** 1e-15 unless given, as in 3DGS. */
  epsilon?: number;
}

const MAX_GROUPS = 4096;
const RATES_BYTES = 16;

/**
 * Adam with torch's bias correction (Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015), over tensors whose
 * number of rows is on the GPU.
 */
export class Adam {
  readonly #gpu: Gpu;
  readonly #rates: GPUBuffer;
  readonly #tensors: readonly AdamTensor[];
  readonly #steps: { bound: BoundKernel; groups: readonly [number, number, number] }[];
  readonly #beta1: number;
  readonly #beta2: number;

  private constructor(
    gpu: Gpu,
    rates: GPUBuffer,
    tensors: readonly AdamTensor[],
    steps: { bound: BoundKernel; groups: readonly [number, number, number] }[],
    betas: readonly [number, number],
  ) {
    this.#gpu = gpu;
    this.#rates = rates;
    this.#tensors = tensors;
    this.#steps = steps;
    [this.#beta1, this.#beta2] = betas;
  }

  /** Compiles a kernel for each tensor and allocates two small buffers in the arena. */
  static async create(gpu: Gpu, arena: Arena, options: AdamOptions): Promise<Adam> {
    const { label, gaussianCount, tensors, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-15 } = options;
    const rates = arena.uniform(`${label}/rates`, RATES_BYTES * Math.max(1, tensors.length));
    const passes = tensors.flatMap((tensor, index) =>
      rowWindows(gpu, tensor.rows, 4 * tensor.width).map((window) => ({ tensor, index, window })),
    );
    const steps = await Promise.all(
      passes.map(async ({ tensor, index, window }) => {
        const { width, head = width } = tensor;
        const kernel = await gpu.kernel(ADAM, {
          constants: {
            WIDTH: width,
            HEAD: head,
            TENSOR: index,
            TENSORS: tensors.length,
            BETA1: beta1,
            BETA2: beta2,
            EPSILON: epsilon,
          },
        });
        const of = (buffer: GPUBuffer) => bindRows(buffer, window, 4 * width);
        return {
          bound: kernel.bind({
            rates,
            window: windowUniform(arena, `${label}/window`, window),
            gaussianCount,
            gradients: of(tensor.gradients),
            parameters: of(tensor.parameters),
            m: of(tensor.moments.m),
            v: of(tensor.moments.v),
          }),
          groups: loopingGrid(gpu, window.rows * width, SIZE, MAX_GROUPS),
        };
      }),
    );
    return new Adam(gpu, rates, tensors, steps, [beta1, beta2]);
  }

  /**
   * Sets the number `t` of the next submitted step, from 1, and the learning rates by tensor: one, or those of head and tail. A
   * tensor without a rate keeps its values, and its moments are updated. Writes one small uniform at once.
   */
  setStep(t: number, rates: Readonly<Partial<Record<string, number | readonly [number, number]>>>): void {
    const data = new Float32Array((this.#tensors.length * RATES_BYTES) / 4);
    this.#tensors.forEach(({ name }, i) => {
      const rate = rates[name] ?? 0;
      const [head, tail] = typeof rate === 'number' ? [rate, rate] : rate;
      const correction = 1 - this.#beta1 ** t;
      data.set([head / correction, tail / correction, 1 / Math.sqrt(1 - this.#beta2 ** t)], 4 * i);
    });
    this.#gpu.write(this.#rates, data, 'parameters');
  }

  /** Records one step: updates parameters and moments in place. */
  record(recorder: Recorder): void {
    for (const { bound, groups } of this.#steps) recorder.run(bound, groups);
  }
}
