import { random4 } from '../../wgsl/core/index.ts';
import { SH_C0 } from '../../wgsl/splat/types.ts';
import { cameraCenter, type Vec3 } from '../artefacts/camera.ts';
import type { Dataset, SfmPoints } from '../artefacts/dataset.ts';
import { emptyGaussians, type HostGaussians } from '../artefacts/gaussians.ts';
import { neighbourDistances } from './nearest.ts';

const NEIGHBOURS = 3;
/** The smallest scale, relative to the median: duplicate points have distance 0, whose logarithm is infinite. */
const MIN_SCALE_SHARE = 1e-3;
/** Training replaces it with the start opacity of its strategy. */
const START_OPACITY = 0.1;

/**
 * One Gaussian per point, as in 3DGS and gsplat: the point's position; its colour as band 0, all other bands 0; isotropic
 * scale, the root mean square of the distances to the three nearest neighbours; identity rotation; opacity 0.1.
 * `extent` replaces the median scale if all points coincide.
 */
export function gaussiansFromPoints(
  { positions, colors }: SfmPoints,
  shDegree: HostGaussians['shDegree'],
  extent: number,
): HostGaussians {
  const count = positions.length / 3;
  const host = emptyGaussians(count, shDegree);
  const scales = neighbourDistances(positions, NEIGHBOURS);
  const floor = smallestScale(scales, extent);
  const bandFloats = 3 * (shDegree + 1) ** 2;
  host.means.set(positions);
  host.opacityLogits.fill(Math.log(START_OPACITY / (1 - START_OPACITY)));
  for (let i = 0; i < count; i++) {
    host.logScales.fill(Math.log(Math.max(scales[i], floor)), 3 * i, 3 * i + 3);
    host.quats[4 * i] = 1;
    for (let c = 0; c < 3; c++) host.sh[i * bandFloats + c] = (colors[3 * i + c] / 255 - 0.5) / SH_C0;
  }
  return host;
}

function smallestScale(scales: Float32Array, extent: number): number {
  const distances = scales.filter((scale) => scale > 0).sort();
  return MIN_SCALE_SHARE * (distances.length ? distances[distances.length >> 1] : extent);
}

/**
 * `count` points with random colours, distributed uniformly over a box. The box is centred on `center` and contains all
 * cameras; no side is shorter than a third of the longest, for cameras in a plane or at one position.
 * Random numbers: position from step 0, colour from step 1 of the purpose `init`.
 */
export function randomPoints(
  { views, center, extent }: Pick<Dataset, 'views' | 'center' | 'extent'>,
  count: number,
  seed: number,
): SfmPoints {
  const half = boxHalf(
    views.map(({ camera }) => cameraCenter(camera)),
    center,
    extent,
  );
  const positions = new Float32Array(3 * count);
  const colors = new Uint8Array(3 * count);
  for (let i = 0; i < count; i++) {
    const place = random4(seed, 'init', 0, i);
    const color = random4(seed, 'init', 1, i);
    for (let c = 0; c < 3; c++) {
      positions[3 * i + c] = center[c] + (2 * place[c] - 1) * half[c];
      colors[3 * i + c] = Math.floor(256 * color[c]);
    }
  }
  return { positions, colors };
}

function boxHalf(cameras: readonly Vec3[], center: Vec3, extent: number): number[] {
  const reach = [0, 1, 2].map((axis) => Math.max(...cameras.map((c) => Math.abs(c[axis] - center[axis]))));
  const longest = Math.max(...reach) || extent;
  return reach.map((half) => Math.max(half, longest / 3));
}
