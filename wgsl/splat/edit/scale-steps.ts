import {
  type Arena,
  type BoundKernel,
  bindRows,
  defineKernel,
  gridFor,
  type Recorder,
  rowWindows,
} from '../../core/index.ts';

const GROUP = 256;

export const SCALE_STEPS = defineKernel({
  label: 'splat/edit/scale-steps',
  constants: { GROUP },
  variants: { portable: { source: new URL('./scale-steps.wgsl', import.meta.url) } },
});

/** A parameter that an optimiser changes in place, f32 [rows, width]. */
export interface SteppedParameter {
  name: string;
  values: GPUBuffer;
  /** Floats of a Gaussian. */
  width: number;
}

/** Options of `StepScale.create`. */
export interface StepScaleOptions {
  parameters: readonly SteppedParameter[];
  count: number;
  /** f32 [count], in [0, 1]. */
  weights: GPUBuffer;
}

interface Pass {
  bound: BoundKernel;
  groups: readonly [number, number, number];
}

/**
 * Scales each step of an optimiser by a weight of the Gaussian. Adam's step does not depend on the scale of its gradient, so that weighted
 * gradients would move every Gaussian at the same rate; this weights the rate. A Gaussian of weight 0 keeps all its bits, one of
 * weight 1 has those of the optimiser.
 */
export class StepScale {
  readonly #passes: readonly Pass[];

  private constructor(passes: readonly Pass[]) {
    this.#passes = passes;
  }

  /** Copies the parameters as they are before the first step. The arena owns the copies. */
  static async create(arena: Arena, { parameters, count, weights }: StepScaleOptions): Promise<StepScale> {
    const { gpu } = arena;
    const kernel = await gpu.kernel(SCALE_STEPS);
    const passes = parameters.flatMap(({ name, values, width }) => {
      const rowBytes = 4 * width;
      if (!count) return [];
      const previous = arena.buffer(`previous/${name}`, values.size);
      gpu.run('splat/edit/scale-steps', (recorder) => recorder.copy(values, previous, rowBytes * count));
      return rowWindows(gpu, count, rowBytes).map((window) => {
        const sizes = arena.uniform(`previous/${name}/sizes`, kernel.struct('Sizes').size);
        const words = window.rows * width;
        gpu.write(sizes, kernel.pack('Sizes', { words, width, firstRow: window.first }), 'parameters');
        const rows = (buffer: GPUBuffer) => bindRows(buffer, window, rowBytes);
        const bound = kernel.bind({ sizes, weights, values: rows(values), previous: rows(previous) });
        return { bound, groups: gridFor(words, GROUP) };
      });
    });
    return new StepScale(passes);
  }

  /** Records the scaling, after each step. */
  record(recorder: Recorder): void {
    for (const { bound, groups } of this.#passes) recorder.run(bound, groups);
  }
}
