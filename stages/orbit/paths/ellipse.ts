import * as z from 'zod';
import { InputError } from '../../../wgsl/core/index.ts';
import { cameraCenter, cross, dot, lookAt, normalize, subtract, type Vec3 } from '../../artefacts/camera.ts';
import { median } from '../../artefacts/median.ts';
import { describeFraming, frameSubject } from './framing.ts';
import { definePath, trainingCameras } from './path.ts';
import { centredCamera } from './pose.ts';
import { along, coverage, medianFocal } from './ring.ts';
import { evenlySpaced } from './spline.ts';

/** The part of the cameras inside the ellipse, along each of its axes. */
const INSIDE = 0.9;
/** A larger gap in the azimuths, radians, is reported. */
const MAX_GAP = Math.PI / 2;
const INTERVALS = 32;

/**
 * A loop along an ellipse around the scene's centre, at even speed (Barron et al. 2022, Mip-NeRF 360). Its axes are the principal
 * axes of the camera positions, perpendicular to up.
 */
export const ellipse = definePath({
  name: 'ellipse',
  summary: 'a loop along an ellipse fitted to the training cameras',
  options: z.strictObject({
    rise: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('Part of the height range of the cameras through which the loop rises and falls once'),
  }),
  async cameras({ scene, picture, report }, { rise }) {
    const { center, extent } = scene.dataset;
    const up = normalize(scene.dataset.up);
    const training = trainingCameras(scene.dataset);
    if (!training.length) throw new InputError('orbit.path: ellipse needs training views; use path: bounds');
    const offsets = training.map((camera) => subtract(cameraCenter(camera), center));
    const heights = offsets.map((offset) => dot(offset, up)).sort((a, b) => a - b);
    const [major, minor] = principalAxes(offsets, up);
    const semi = [major, minor].map((axis) =>
      quantile(
        offsets.map((offset) => Math.abs(dot(offset, axis))),
        INSIDE,
      ),
    );
    if (!(Math.min(...semi) > 1e-3 * extent)) {
      throw new InputError(
        'orbit.path: the training cameras are on one line with the centre of the scene, which gives no ellipse; use path: spiral',
      );
    }
    const { gap } = coverage(offsets.map((offset) => Math.atan2(dot(offset, minor), dot(offset, major))));
    if (gap > MAX_GAP) {
      const degrees = Math.round((gap * 180) / Math.PI);
      report.warn(
        `the cameras leave a gap of ${degrees}°: a part of the ellipse shows what no photograph shows`,
      );
    }
    const [low, high] = [1 - INSIDE, INSIDE].map((part) => quantile(heights, part));
    const eye = (angle: number): Vec3 => {
      const flat = along(along(center, major, semi[0] * Math.cos(angle)), minor, semi[1] * Math.sin(angle));
      const height = median(heights);
      return along(
        flat,
        up,
        height + rise * ((low + high) / 2 - height + ((high - low) / 2) * Math.cos(angle)),
      );
    };
    const knots = Array.from({ length: INTERVALS + 1 }, (_, i) => (2 * Math.PI * i) / INTERVALS);
    const focal = medianFocal(training) * Math.min(picture.width, picture.height);
    const size = semi.map((value) => value.toPrecision(3)).join(' and ');
    const looking = evenlySpaced(eye, knots, picture.frames, true).map((angle) =>
      centredCamera(lookAt(eye(angle), center, up), focal, picture),
    );
    const { cameras, framing } = frameSubject(looking, scene.dataset);
    report.note(`an ellipse with semi-axes of ${size}, ${picture.frames} frames${describeFraming(framing)}`);
    return { cameras };
  },
});

/** The directions of largest and smallest spread perpendicular to up; the second is up × the first. */
function principalAxes(offsets: readonly Vec3[], up: Vec3): [Vec3, Vec3] {
  const other: Vec3 = Math.abs(up[0]) < 0.9 ? [1, 0, 0] : [0, 0, 1];
  const a = normalize(cross(up, other));
  const b = cross(up, a);
  let [aa, ab, bb] = [0, 0, 0];
  for (const offset of offsets) {
    const [x, y] = [dot(offset, a), dot(offset, b)];
    aa += x * x;
    ab += x * y;
    bb += y * y;
  }
  const angle = 0.5 * Math.atan2(2 * ab, aa - bb);
  const major = along(along([0, 0, 0], a, Math.cos(angle)), b, Math.sin(angle));
  return [major, cross(up, major)];
}

/** The value below which a part of the values lies, interpolated linearly. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}
