import * as z from 'zod';
import { type Gpu, InputError } from '../../../wgsl/core/index.ts';
import { axisQuantiles } from '../../../wgsl/splat/axis-quantiles.ts';
import { type Camera, dot, normalize, type Vec3 } from '../../artefacts/camera.ts';
import type { Gaussians } from '../../artefacts/gaussians.ts';
import { definePath, trainingCameras } from './path.ts';
import { along, describeRing, medianFocal, type Ring, ringCameras } from './ring.ts';

/** Opacity-weighted quantiles that bound the splat, without floaters and far background. */
const QUANTILES = [0.05, 0.95] as const;
/** Downward angle of the camera. */
const ELEVATION = (15 * Math.PI) / 180;
/** Margin around the bounding sphere. */
const MARGIN = 1.15;
/** Focal length ÷ smaller image side without cameras: a field of view of 45°. */
const FOCAL = 0.5 / Math.tan((22.5 * Math.PI) / 180);

/** A full turn around the splat's bounds. */
export const bounds = definePath({
  name: 'bounds',
  summary: 'a full turn around the bounds of the splat',
  options: z.strictObject({}),
  usesSplat: true,
  async cameras({ gpu, scene, picture, report }) {
    const { up } = scene.dataset;
    const ring = await boundsRing(gpu, scene.gaussians, { up, cameras: trainingCameras(scene.dataset) });
    report.note(describeRing(ring, picture));
    return { cameras: ringCameras(ring, picture) };
  },
});

/**
 * A full turn around the splat's robust bounds, at the distance at which the bounding sphere fits into the picture. Uses the
 * focal length of the training cameras, if any. @throws InputError when the splat has no visible Gaussian.
 */
async function boundsRing(
  gpu: Gpu,
  gaussians: Gaussians,
  scene: { up: Vec3; cameras: readonly Camera[] },
): Promise<Ring> {
  const found = await axisQuantiles(gpu, gaussians, QUANTILES);
  if (!found) throw new InputError('orbit.path: bounds found no visible Gaussian in the splat');
  const { low, high } = found;
  const middle = (axis: number) => (low[axis] + high[axis]) / 2;
  const sphere = Math.hypot(...low.map((value, axis) => (high[axis] - value) / 2)) || 1;
  const focal = scene.cameras.length ? medianFocal(scene.cameras) : FOCAL;
  const distance = (MARGIN * sphere) / Math.sin(Math.atan(0.5 / focal));
  const up = normalize(scene.up);
  return {
    center: [middle(0), middle(1), middle(2)],
    up,
    front: horizontal(up),
    radius: distance * Math.cos(ELEVATION),
    height: distance * Math.sin(ELEVATION),
    azimuth: 0,
    arc: 2 * Math.PI,
    facing: 'in',
    focal,
  };
}

/** A unit vector perpendicular to up: the projection of −z, or of −y if up is nearly along z. */
export function horizontal(up: Vec3): Vec3 {
  const axis: Vec3 = Math.abs(up[2]) < 0.9 ? [0, 0, -1] : [0, -1, 0];
  return normalize(along(axis, up, -dot(axis, up)));
}
