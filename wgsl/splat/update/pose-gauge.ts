import { type Arena, type BoundKernel, defineKernel, type Gpu, type Recorder } from '../../core/index.ts';
import { POSE_FLOATS } from './pose-training.ts';

const SIZE = 256;

export const POSE_GAUGE = defineKernel({
  label: 'splat/pose-gauge',
  constants: { SIZE },
  variants: { portable: { source: new URL('./pose-gauge.wgsl', import.meta.url) } },
});

/** Options of `PoseGauge.create`. */
export interface PoseGaugeOptions {
  /** Prefix of the buffers' labels. */
  label: string;
  /** f32 [views, 16]: see `poseOf`. */
  poses: GPUBuffer;
  /** The poses from which the similarity is measured, in the same layout. At least one. */
  anchors: Float32Array;
  /** u32 [1]; 0 in a void step. */
  gaussianCount: GPUBuffer;
  /** World units that weigh as much as a rotation of one radian. */
  scale: number;
}

/**
 * Keeps poses from drifting as a whole. Photographs determine cameras and splat only up to a similarity; without a gauge both drift
 * together, away from cameras that are not trained. The kernel removes the least-squares similarity between anchors and poses.
 */
export class PoseGauge {
  readonly #bound: BoundKernel;

  private constructor(bound: BoundKernel) {
    this.#bound = bound;
  }

  /** Compiles the kernel and uploads the anchors to the arena. */
  static async create(gpu: Gpu, arena: Arena, options: PoseGaugeOptions): Promise<PoseGauge> {
    const { label, poses, anchors, gaussianCount, scale } = options;
    const kernel = await gpu.kernel(POSE_GAUGE);
    const gauge = arena.uniform(`${label}/gauge`, kernel.struct('Gauge').size);
    gpu.write(gauge, kernel.pack('Gauge', gaugeOf(anchors, scale)), 'parameters');
    const buffer = arena.upload(`${label}/anchors`, anchors, 'parameters');
    return new PoseGauge(kernel.bind({ gauge, gaussianCount, anchors: buffer, poses }));
  }

  /** Records the correction. Record it after the update of the poses. */
  record(recorder: Recorder): void {
    recorder.run(this.#bound, [1, 1, 1]);
  }
}

/** The constants of the anchors: see pose-gauge.wgsl. */
function gaugeOf(anchors: Float32Array, scale: number) {
  const views = anchors.length / POSE_FLOATS;
  const centers = Array.from({ length: views }, (_, i) => [
    ...anchors.subarray(POSE_FLOATS * i + 12, POSE_FLOATS * i + 15),
  ]);
  const axes = [0, 1, 2];
  const center = axes.map((k) => centers.reduce((sum, each) => sum + each[k], 0) / views);
  const products = axes.map((j) =>
    axes.map((k) => centers.reduce((sum, each) => sum + (each[j] - center[j]) * (each[k] - center[k]), 0)),
  );
  const spread = axes.reduce((sum, k) => sum + products[k][k], 0);
  const squaredScale = scale * scale;
  const normal = axes.map((j) =>
    axes.map((k) => (j === k ? views * squaredScale + spread : 0) - products[j][k]),
  );
  const [inverse0, inverse1, inverse2] = inverseOf(normal);
  const inverseSpread = spread > 0 ? 1 / spread : 0;
  return { center, views, inverse0, inverse1, inverse2, squaredScale, inverseSpread };
}

/** Of a symmetric, positive definite 3×3 matrix. */
function inverseOf([[a, b, c], [, d, e], [, , f]]: readonly (readonly number[])[]): number[][] {
  const cofactors = [
    [d * f - e * e, c * e - b * f, b * e - c * d],
    [c * e - b * f, a * f - c * c, b * c - a * e],
    [b * e - c * d, b * c - a * e, a * d - b * b],
  ];
  const determinant = a * cofactors[0][0] + b * cofactors[0][1] + c * cofactors[0][2];
  return cofactors.map((row) => row.map((value) => value / determinant));
}
