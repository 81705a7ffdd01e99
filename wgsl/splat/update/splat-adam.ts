import {
  type Arena,
  type BoundKernel,
  bindRows,
  type Constants,
  defineKernel,
  type Gpu,
  type Kernel,
  type KernelDefinition,
  loopingGrid,
  type Recorder,
} from '../../core/index.ts';
import { SUM_CONSTANTS, SUM_THREADS } from '../parameter-gradients.ts';
import type { Rasterizer } from '../rasterizer.ts';
import type { RasterizerBackward } from '../rasterizer-backward.ts';
import type { GaussianBuffers } from '../types.ts';
import { shConstants, shRowBytes } from '../types.ts';

type Parameter = keyof GaussianBuffers;

/** Options of `SplatAdam.create`. */
export interface SplatAdamOptions {
  /** Prefix of the buffers' labels. */
  label: string;
  /** First and second moments, of the parameters' shapes and sizes; zero at the start. */
  moments: Readonly<Record<Parameter, { m: GPUBuffer; v: GPUBuffer }>>;
  /** f32 [rows, 2], overwritten: see `ParameterGradients.screen`. */
  screen: GPUBuffer;
  /** The parameters to update; nothing is computed for the others. */
  train: readonly Parameter[];
  /** Weights of mean(sigmoid(opacityLogits)) and of mean(exp(logScales)) in the loss (3DGS-MCMC, eq. 8). */
  regularizers?: { readonly opacity: number; readonly scale: number };
}

/** Adam's rate of each parameter; of sh, those of band 0 and of the others. Without a rate, the value stays and the moments are updated. */
export type SplatRates = Readonly<
  Partial<Record<Exclude<Parameter, 'sh'>, number> & { sh: readonly [number, number] }>
>;

/** Threads per group. */
const SIZE = 256;
/** Maximum groups of a kernel; it loops over further items. */
const MAX_GROUPS = 16384;
/** Gaussians that a group of adam-sh processes at a time. */
const SH_BLOCK = 64;
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-15;

interface Pass {
  bound: BoundKernel;
  groups: readonly [number, number, number];
}

const adam = { SIZE, BETA1, BETA2, EPSILON };
export const BACKWARD_SUMS = defineKernel({
  label: 'splat/backward-sums',
  example: { ...shConstants(3), GEOMETRY: true, ANTIALIAS: true },
  variants: {
    portable: { source: new URL('./backward-sums.wgsl', import.meta.url), constants: SUM_CONSTANTS.portable },
    cpu: { constants: SUM_CONSTANTS.cpu },
  },
});
// The variants for a CPU use no workgroup memory: there it only adds barriers.
export const ADAM_GEOMETRY = defineKernel({
  label: 'splat/adam-geometry',
  constants: adam,
  example: { MEANS: true, LOG_SCALES: true, QUATS: true, OPACITY_LOGITS: true },
  variants: {
    portable: { source: new URL('./adam-geometry.wgsl', import.meta.url) },
    cpu: { source: new URL('./adam-geometry-cpu.wgsl', import.meta.url) },
  },
});
export const ADAM_SH = defineKernel({
  label: 'splat/adam-sh',
  constants: adam,
  example: { SH_DEGREE: 3 },
  variants: {
    portable: { source: new URL('./adam-sh.wgsl', import.meta.url), constants: { ROWS: SH_BLOCK } },
    cpu: { source: new URL('./adam-sh-cpu.wgsl', import.meta.url) },
  },
});

/**
 * The rest of a training step after `RasterizerBackward`: from its sums per intersection to updated parameters. The gradients
 * of SH are not stored. The result equals that of `ParameterGradients` and `Adam` to rounding: torch's Adam (β 0.9 and 0.999,
 * ε 1e-15), dense, so that Gaussians out of view keep moving. The size of every buffer of parameters and moments is a multiple
 * of 16 bytes.
 */
export class SplatAdam {
  /** f32 [rows, 4] and [3, rows, 4]: the gradients of the last step's visible Gaussians, see backward-sums.wgsl. */
  readonly gradColors: GPUBuffer;
  readonly gradGeometry: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #rates: GPUBuffer;
  readonly #layout: Kernel;
  readonly #regularizers: { readonly opacity: number; readonly scale: number };
  readonly #sums: readonly Pass[];
  readonly #updates: readonly Pass[];

  private constructor(
    gpu: Gpu,
    rates: GPUBuffer,
    layout: Kernel,
    regularizers: { readonly opacity: number; readonly scale: number },
    gradients: Pick<SplatAdam, 'gradColors' | 'gradGeometry'>,
    passes: { sums: readonly Pass[]; updates: readonly Pass[] },
  ) {
    this.gradColors = gradients.gradColors;
    this.gradGeometry = gradients.gradGeometry;
    this.#gpu = gpu;
    this.#rates = rates;
    this.#layout = layout;
    this.#regularizers = regularizers;
    this.#sums = passes.sums;
    this.#updates = passes.updates;
  }

  /** Compiles the kernels and allocates their buffers in the arena. `backward`: the backward pass of `forward`. */
  static async create(
    gpu: Gpu,
    arena: Arena,
    forward: Rasterizer,
    backward: RasterizerBackward,
    { label, moments, screen, train, regularizers = { opacity: 0, scale: 0 } }: SplatAdamOptions,
  ): Promise<SplatAdam> {
    const { gaussians, gaussianCount, rows, shDegree, target, antialias } = forward.options;
    const { view, windows, projected, tileCounts, intersectionFromGaussian } = forward.internals;
    requireWholeVectors(label, gaussians, moments);
    const { means, logScales, quats, opacityLogits, sh } = gaussians;
    const moves = (name: Parameter) => train.includes(name);
    const geometry = train.some((name) => name !== 'sh');
    const load = (kernel: KernelDefinition, constants: Constants) =>
      gpu.kernel(kernel, { target, constants });
    const [intersectionSums, adamGeometry, adamSh] = await Promise.all([
      load(BACKWARD_SUMS, { ...shConstants(shDegree), GEOMETRY: geometry, ANTIALIAS: antialias }),
      load(ADAM_GEOMETRY, {
        MEANS: moves('means'),
        LOG_SCALES: moves('logScales'),
        QUATS: moves('quats'),
        OPACITY_LOGITS: moves('opacityLogits'),
      }),
      load(ADAM_SH, { SH_DEGREE: shDegree }),
    ]);
    const rates = arena.uniform(`${label}/rates`, adamGeometry.struct('AdamRates').size);
    const gradColors = arena.buffer(`${label}/gradColors`, 16 * rows);
    const gradGeometry = arena.buffer(`${label}/gradGeometry`, geometry ? 48 * rows : 48);
    const shBytes = shRowBytes(shDegree);
    const over = (block: number, count: number) => loopingGrid({ target }, count, block, MAX_GROUPS);
    const sums = windows.map((window) => ({
      bound: intersectionSums.bind({
        view,
        window: window.uniform,
        gaussianCount,
        means,
        logScales,
        quats,
        sh: bindRows(sh, window, shBytes),
        projected,
        tileCounts,
        intersectionFromGaussian,
        intersectionGradients: backward.intersectionGradients,
        gradColors,
        gradGeometry,
        screen,
      }),
      groups: over(SUM_THREADS[target], window.rows),
    }));
    const updates: Pass[] = [];
    // Before the means move.
    if (moves('sh')) {
      for (const window of windows) {
        const of = (buffer: GPUBuffer) => bindRows(buffer, window, shBytes);
        const moved = { sh: of(sh), m: of(moments.sh.m), v: of(moments.sh.v) };
        updates.push({
          bound: adamSh.bind({
            view,
            window: window.uniform,
            rates,
            gaussianCount,
            tileCounts,
            means,
            gradColors,
            ...moved,
          }),
          groups: over(target === 'cpu' ? SIZE : SH_BLOCK, window.rows),
        });
      }
    }
    if (geometry) {
      updates.push({
        bound: adamGeometry.bind({
          rates,
          gaussianCount,
          tileCounts,
          gradGeometry,
          means,
          meansM: moments.means.m,
          meansV: moments.means.v,
          logScales,
          logScalesM: moments.logScales.m,
          logScalesV: moments.logScales.v,
          quats,
          quatsM: moments.quats.m,
          quatsV: moments.quats.v,
          opacityLogits,
          opacityLogitsM: moments.opacityLogits.m,
          opacityLogitsV: moments.opacityLogits.v,
        }),
        groups: over(SIZE, rows),
      });
    }
    const gradients = { gradColors, gradGeometry };
    return new SplatAdam(gpu, rates, adamGeometry, regularizers, gradients, { sums, updates });
  }

  /** Sets the number of the next submitted step, from 1, and its rates; writes one small uniform at once. */
  setStep(t: number, rates: SplatRates): void {
    const scale = (rate = 0) => rate / (1 - BETA1 ** t);
    const [head, tail] = rates.sh ?? [0, 0];
    const values = {
      means: scale(rates.means),
      logScales: scale(rates.logScales),
      quats: scale(rates.quats),
      opacityLogits: scale(rates.opacityLogits),
      shHead: scale(head),
      shTail: scale(tail),
      secondScale: 1 / Math.sqrt(1 - BETA2 ** t),
      opacityWeight: this.#regularizers.opacity,
      scaleWeight: this.#regularizers.scale,
    };
    this.#gpu.write(this.#rates, this.#layout.pack('AdamRates', values), 'parameters');
  }

  /**
   * Record it after the backward pass of the same view. Updates parameters and moments in place. `beforeUpdate` records work between the
   * gradients and the update.
   */
  record(recorder: Recorder, beforeUpdate?: (recorder: Recorder) => void): void {
    for (const { bound, groups } of this.#sums) recorder.run(bound, groups);
    beforeUpdate?.(recorder);
    for (const { bound, groups } of this.#updates) recorder.run(bound, groups);
  }
}

/** The kernels bind parameters and moments as vec4f. @throws Error if a buffer is not a multiple of 16 bytes. */
function requireWholeVectors(
  label: string,
  gaussians: Record<Parameter, GPUBuffer>,
  moments: SplatAdamOptions['moments'],
): void {
  for (const name of Object.keys(moments) as Parameter[]) {
    for (const buffer of [gaussians[name], moments[name].m, moments[name].v]) {
      if (buffer.size % 16 === 0) continue;
      const fix = 'round the size up to a multiple of 16 bytes';
      throw new Error(`${label}: the buffer ${buffer.label} of ${name} has ${buffer.size} bytes; ${fix}`);
    }
  }
}
