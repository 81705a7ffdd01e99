import * as z from 'zod';
import { InputError } from '../../../wgsl/core/index.ts';
import { cameraCenter, cross, dot, lookAt, normalize, subtract, type Vec3 } from '../../artefacts/camera.ts';
import { quantile } from './ellipse.ts';
import { describeFraming, frameSubject } from './framing.ts';
import { definePath, trainingCameras } from './path.ts';
import { centredCamera, meanDirection } from './pose.ts';
import { along, medianFocal } from './ring.ts';
import { evenlySpaced } from './spline.ts';

const INTERVALS_PER_TURN = 32;
/** The part of the cameras inside the spiral, along each axis of the mean camera. */
const INSIDE = 0.9;
/** Length of the mean of the viewing directions; below it there is no common direction. */
const MIN_COMMON = 0.5;

/**
 * The spiral of forward-facing captures (Mildenhall et al. 2019, LLFF): loops around the mean camera in the plane of its picture, which go
 * forward and back once, at even speed. The cameras look at the scene's centre.
 */
export const spiral = definePath({
  name: 'spiral',
  summary: 'loops around the mean of the training cameras, for captures from one side',
  options: z.strictObject({
    turns: z.int().min(1).max(100).default(2).describe('Number of loops'),
    radius: z.number().min(0).max(10).default(1).describe('Radius, relative to the spread of the cameras'),
  }),
  async cameras({ scene, picture, report }, { turns, radius }) {
    const { center, extent } = scene.dataset;
    const training = trainingCameras(scene.dataset);
    if (!training.length) throw new InputError('orbit.path: spiral needs training views; use path: bounds');
    const axes = training.map(({ viewmat: m }): Vec3 => [m[8], m[9], m[10]]);
    const { axis: forward, length } = meanDirection(axes);
    if (length < MIN_COMMON) {
      throw new InputError(
        'orbit.path: spiral needs cameras that look in about one direction, and these look in all; use path: turntable',
      );
    }
    const eyes = training.map(cameraCenter);
    const middle = [0, 1, 2].map((k) => eyes.reduce((sum, eye) => sum + eye[k], 0) / eyes.length);
    const mean: Vec3 = [middle[0], middle[1], middle[2]];
    const right = normalize(cross(forward, scene.dataset.up));
    const down = cross(forward, right);
    const radii = [right, down, forward].map(
      (axis) =>
        radius *
        quantile(
          eyes.map((eye) => Math.abs(dot(subtract(eye, mean), axis))),
          INSIDE,
        ),
    );
    if (radius > 0 && !(Math.max(...radii) > 1e-4 * radius * extent)) {
      throw new InputError(
        'orbit.path: the training cameras are at one position, which gives no spiral; use path: bounds',
      );
    }
    const point = (angle: number): Vec3 => {
      const across = along(mean, right, radii[0] * Math.cos(angle));
      const inPlane = along(across, down, -radii[1] * Math.sin(angle));
      return along(inPlane, forward, radii[2] * Math.sin(angle / turns));
    };
    const intervals = INTERVALS_PER_TURN * turns;
    const knots = Array.from({ length: intervals + 1 }, (_, i) => (2 * Math.PI * turns * i) / intervals);
    const focal = medianFocal(training) * Math.min(picture.width, picture.height);
    const looking = evenlySpaced(point, knots, picture.frames, true).map((angle) =>
      centredCamera(lookAt(point(angle), center, scene.dataset.up), focal, picture),
    );
    const { cameras, framing } = frameSubject(looking, scene.dataset);
    report.note(`a spiral of ${turns} turns, ${picture.frames} frames${describeFraming(framing)}`);
    return { cameras };
  },
});
