import {
  type Arena,
  type BoundKernel,
  defineKernel,
  type Gpu,
  type Kernel,
  loopingGrid,
  type Recorder,
} from '../core/index.ts';

const THREADS = 256;
const MAX_GROUPS = 4096;
/** Workgroups of the kernels that sum over a picture: the order of the sums depends on it. */
const GROUPS = 64;

/** Floats of an exposure: a 3×4 matrix by rows, which maps (r, g, b, 1) to colours. */
export const EXPOSURE_FLOATS = 12;
/** The one that changes nothing. */
export const NEUTRAL_EXPOSURE: readonly number[] = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0];

export const EXPOSURE = defineKernel({
  label: 'image/exposure',
  constants: { THREADS },
  variants: { portable: { source: new URL('./exposure.wgsl', import.meta.url) } },
});
export const EXPOSURE_BACKWARD = defineKernel({
  label: 'image/exposure-backward',
  constants: { THREADS, GROUPS },
  variants: { portable: { source: new URL('./exposure-backward.wgsl', import.meta.url) } },
});
export const EXPOSURE_UPDATE = defineKernel({
  label: 'image/exposure-update',
  constants: { NUMBERS: EXPOSURE_FLOATS, GROUPS },
  variants: { portable: { source: new URL('./exposure-update.wgsl', import.meta.url) } },
});

/** Options of `Exposure.create`. */
export interface ExposureOptions {
  /** Prefix of the buffers' labels. */
  label: string;
  /** Pixels of the largest picture. */
  pixels: number;
  /** f32 [views, 12]. */
  exposures: GPUBuffer;
  /** f32 [H, W, 4]: the picture; alpha is kept. */
  color: GPUBuffer;
  /** f32 [H, W, 4], overwritten. */
  exposed: GPUBuffer;
}

/** Applies the exposure of a view to its picture (Kerbl et al., the program of 3DGS: its exposure compensation). */
export class Exposure {
  readonly options: ExposureOptions;
  /** The struct ExposureView of the next submitted step. */
  readonly view: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #kernel: Kernel;
  readonly #bound: BoundKernel;

  private constructor(gpu: Gpu, options: ExposureOptions, kernel: Kernel, view: GPUBuffer) {
    this.#gpu = gpu;
    this.options = options;
    this.view = view;
    this.#kernel = kernel;
    const { exposures, color, exposed } = options;
    this.#bound = kernel.bind({ view, exposures, color, exposed });
  }

  /** Compiles the kernel and allocates a small uniform in the arena. */
  static async create(gpu: Gpu, arena: Arena, options: ExposureOptions): Promise<Exposure> {
    const kernel = await gpu.kernel(EXPOSURE);
    const view = arena.uniform(`${options.label}/view`, kernel.struct('ExposureView').size);
    return new Exposure(gpu, options, kernel, view);
  }

  /**
   * Sets the row of the exposures, the pixels of the picture and the learning rate of the next submitted step; writes one small uniform at
   * once.
   */
  setView(index: number, pixels: number, rate = 0): void {
    this.#gpu.write(this.view, this.#kernel.pack('ExposureView', { index, pixels, rate }), 'parameters');
  }

  /** Records color → exposed. */
  record(recorder: Recorder): void {
    recorder.run(this.#bound, loopingGrid(this.#gpu, this.options.pixels, THREADS, MAX_GROUPS));
  }
}

/** Adam's state of a parameter of views: moments of its shape, f32, and u32 [views], the steps that each view took. Zero at the start. */
export interface ViewMoments {
  m: GPUBuffer;
  v: GPUBuffer;
  steps: GPUBuffer;
}

/** Options of `ExposureTraining.create`. */
export interface ExposureTrainingOptions {
  /** f32 [H, W, 4]: the gradient of the exposed picture, replaced by that of the picture. */
  gradient: GPUBuffer;
  moments: ViewMoments;
  /** u32, 0 at word 0 in a void step. */
  gaussianCount: GPUBuffer;
}

/**
 * The backward pass of `Exposure`, and a step of Adam on the exposure of its view (torch's, β 0.9 and 0.999, ε 1e-8). In a void step no
 * exposure changes. Sums have a fixed order.
 */
export class ExposureTraining {
  readonly #backward: BoundKernel;
  readonly #update: BoundKernel;

  private constructor(backward: BoundKernel, update: BoundKernel) {
    this.#backward = backward;
    this.#update = update;
  }

  /** Compiles the kernels and allocates a small buffer in the arena. */
  static async create(
    gpu: Gpu,
    arena: Arena,
    { options: { label, exposures, color }, view }: Exposure,
    { gradient, moments, gaussianCount }: ExposureTrainingOptions,
  ): Promise<ExposureTraining> {
    const [backward, update] = await Promise.all([
      gpu.kernel(EXPOSURE_BACKWARD),
      gpu.kernel(EXPOSURE_UPDATE),
    ]);
    const partials = arena.buffer(`${label}/partials`, 4 * EXPOSURE_FLOATS * GROUPS);
    return new ExposureTraining(
      backward.bind({ view, exposures, color, gradient, partials }),
      update.bind({ view, partials, gaussianCount, exposures, ...moments }),
    );
  }

  /** Record it after the work that fills the gradient of the exposed picture. The rate is that of `Exposure.setView`. */
  record(recorder: Recorder): void {
    recorder.run(this.#backward, GROUPS);
    recorder.run(this.#update, 1);
  }
}
