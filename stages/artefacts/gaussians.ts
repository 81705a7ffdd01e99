import type { Gpu, Purpose } from '../../wgsl/core/index.ts';
import { requireRows } from '../../wgsl/splat/row-capacity.ts';

/**
 * A splat on the GPU. Buffers are f32, tightly packed, and may be longer than `count` rows.
 *
 *     means [N,3] world units      logScales [N,3] natural log of world units
 *     quats [N,4] wxyz, any length opacityLogits [N]
 *     sh [N,K,3] K = (shDegree+1)², band 0 first, 3DGS's order and signs (C0 = 0.28209479)
 */
export interface Gaussians {
  count: number;
  shDegree: 0 | 1 | 2 | 3;
  /** Trained with Mip-Splatting's 2D filter: to be rendered with `RasterizerOptions.antialias`. Absent: no. */
  antialias?: boolean;
  means: GPUBuffer;
  logScales: GPUBuffer;
  quats: GPUBuffer;
  opacityLogits: GPUBuffer;
  sh: GPUBuffer;
}

export const GAUSSIAN_PARAMETERS = ['means', 'logScales', 'quats', 'opacityLogits', 'sh'] as const;
export type GaussianParameter = (typeof GAUSSIAN_PARAMETERS)[number];

/** Floats per Gaussian of each parameter. */
export function parameterWidths(shDegree: number): Record<GaussianParameter, number> {
  return { means: 3, logScales: 3, quats: 4, opacityLogits: 1, sh: 3 * (shDegree + 1) ** 2 };
}

/** Frees a splat's buffers. The splat must not be used afterwards; a second call does nothing. */
export function releaseGaussians(gaussians: Gaussians): void {
  for (const name of GAUSSIAN_PARAMETERS) gaussians[name].destroy();
}

/** A splat in host memory: the same tensors as `Gaussians`, exactly `count` rows each. */
export type HostGaussians = Pick<Gaussians, 'count' | 'shDegree' | 'antialias'> &
  Record<GaussianParameter, Float32Array<ArrayBuffer>>;

/** Zero-filled tensors of the right sizes. */
export function emptyGaussians(
  count: number,
  shDegree: Gaussians['shDegree'],
  antialias = false,
): HostGaussians {
  const widths = parameterWidths(shDegree);
  const tensor = (name: GaussianParameter) => new Float32Array(count * widths[name]);
  return {
    count,
    shDegree,
    ...(antialias && { antialias }),
    means: tensor('means'),
    logScales: tensor('logScales'),
    quats: tensor('quats'),
    opacityLogits: tensor('opacityLogits'),
    sh: tensor('sh'),
  };
}

/** These rows of a splat, with SH up to a degree. */
export function takeRows(
  host: HostGaussians,
  rows: readonly number[],
  degree: Gaussians['shDegree'],
): HostGaussians {
  const shDegree = Math.min(degree, host.shDegree) as Gaussians['shDegree'];
  const taken = emptyGaussians(rows.length, shDegree, host.antialias);
  const [from, to] = [parameterWidths(host.shDegree), parameterWidths(shDegree)];
  for (const name of GAUSSIAN_PARAMETERS) {
    rows.forEach((row, i) => {
      // The bands of higher degrees come last in a row.
      const start = from[name] * row;
      taken[name].set(host[name].subarray(start, start + to[name]), to[name] * i);
    });
  }
  return taken;
}

/**
 * Uploads a splat; buffers are labelled `label/means` and so on. The caller owns them.
 * @throws InputError when this adapter cannot hold it.
 */
export function uploadGaussians(gpu: Gpu, label: string, host: HostGaussians, purpose: Purpose): Gaussians {
  const { shDegree, count: rows } = host;
  requireRows(gpu, { shDegree, rows }, 'the splat has', (limit) => `Take one of at most ${limit}`);
  const made: GPUBuffer[] = [];
  const upload = (name: GaussianParameter) => {
    const buffer = gpu.upload(`${label}/${name}`, host[name], purpose);
    made.push(buffer);
    return buffer;
  };
  try {
    return {
      count: host.count,
      shDegree: host.shDegree,
      ...(host.antialias && { antialias: true }),
      means: upload('means'),
      logScales: upload('logScales'),
      quats: upload('quats'),
      opacityLogits: upload('opacityLogits'),
      sh: upload('sh'),
    };
  } catch (error) {
    for (const buffer of made) buffer.destroy();
    throw error;
  }
}

/** Reads a splat back from the GPU. */
export async function readGaussians(
  gpu: Gpu,
  gaussians: Gaussians,
  purpose: Purpose,
): Promise<HostGaussians> {
  const { count, shDegree, antialias } = gaussians;
  const host = emptyGaussians(count, shDegree, antialias);
  if (count === 0) return host;
  for (const name of GAUSSIAN_PARAMETERS) {
    host[name] = new Float32Array(await gpu.read(gaussians[name], purpose, 4 * host[name].length));
  }
  return host;
}

/** Prevents writing a broken splat. @throws Error with `notFinite`, when a value is NaN or infinite. */
export function assertFinite(host: HostGaussians, doing: string): void {
  const broken = notFinite(host);
  if (broken) throw new Error(`${doing}: the splat ${broken}`);
}

/** Each tensor with NaN or infinite values, their number and the first Gaussian, as a predicate; undefined without any. */
export function notFinite(host: HostGaussians): string | undefined {
  const widths = parameterWidths(host.shDegree);
  const broken = GAUSSIAN_PARAMETERS.flatMap((name) => {
    const bad = countNonFinite(host[name]);
    if (!bad.count) return [];
    const row = Math.floor(bad.first / widths[name]);
    return [`${name} has ${bad.count}, first ${host[name][bad.first]} in Gaussian ${row}`];
  });
  return broken.length ? `has values that are not finite numbers: ${broken.join('; ')}` : undefined;
}

function countNonFinite(values: Float32Array): { count: number; first: number } {
  let count = 0;
  let first = -1;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    if (!count) first = i;
    count++;
  }
  return { count, first };
}
