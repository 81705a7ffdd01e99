import { type Camera, cross, lookAt, normalize, subtract, type Vec3 } from '../../artefacts/camera.ts';
import type { Picture } from './path.ts';
import { centredCamera, type Quaternion, quaternionOf, viewmatOf } from './pose.ts';
import { centripetalKnots, evenlySpaced, spline } from './spline.ts';

/** A camera that a path passes through. */
export interface PathKey {
  eye: Vec3;
  /** The point in the middle of the picture, or the rotation. */
  look: { target: Vec3 } | { quaternion: Quaternion };
  /** Focal length ÷ height of the picture. */
  focal: number;
}

/** Sine of the angle to up below which a camera looks straight up or down. */
const MIN_SINE = 1e-6;

export interface KeyOptions {
  up: Vec3;
  closed: boolean;
  /** Of the keys, increasing. Without them the camera moves at even speed. */
  times?: readonly number[];
}

/**
 * Cameras along a smooth curve through the keys. Position, target or rotation, and the logarithm of the focal length follow one spline.
 * Keys that all have targets keep the camera on the curve of the targets; otherwise rotations are interpolated.
 *
 * Without times the frames are evenly spaced along the curve of positions, and consecutive keys must differ in position. With times
 * the camera is at each key at its time, and no coordinate overshoots.
 */
export function keyCameras(
  keys: readonly PathKey[],
  { up, closed, times }: KeyOptions,
  picture: Picture,
): Camera[] {
  const targets = keys.map(({ look }) => ('target' in look ? look.target : undefined));
  const aimed = targets.every((target) => target !== undefined);
  const aims = aimed ? (targets as Vec3[]) : alignedRotations(keys, up);
  const points = keys.map(({ eye, focal }, i) => [...eye, Math.log(focal), ...aims[i]]);
  const next = (i: number) => keys[(i + 1) % keys.length].eye;
  const distances = keys
    .slice(0, closed ? keys.length : -1)
    .map(({ eye }, i) => Math.hypot(...subtract(next(i), eye)));
  const knots = times ?? centripetalKnots(distances);
  const curve = spline(points, knots, { closed, monotone: times !== undefined });
  const position = (t: number) => curve.at(t).slice(0, 3);
  const { frames } = picture;
  const parameters = times
    ? Array.from({ length: frames }, (_, i) => evenTime(knots, i, closed ? frames : frames - 1))
    : evenlySpaced(position, knots, frames, closed);
  return parameters.map((t) => {
    const [x, y, z, focal, ...aim] = curve.at(t);
    const eye: Vec3 = [x, y, z];
    const viewmat = aimed
      ? lookAt(eye, [aim[0], aim[1], aim[2]], upright(subtract([aim[0], aim[1], aim[2]], eye), up))
      : viewmatOf(eye, [aim[0], aim[1], aim[2], aim[3]]);
    return centredCamera(viewmat, Math.exp(focal) * picture.height, picture);
  });
}

/** Up for a viewing direction: straight up or down, where up says nothing of the picture, the axis that is farthest from it. */
function upright(direction: Vec3, up: Vec3): Vec3 {
  const sine = Math.hypot(...cross(normalize(direction), normalize(up)));
  if (sine > MIN_SINE) return up;
  const smallest = up.map(Math.abs).indexOf(Math.min(...up.map(Math.abs)));
  return [Number(smallest === 0), Number(smallest === 1), Number(smallest === 2)];
}

function evenTime(knots: readonly number[], step: number, steps: number): number {
  const last = knots[knots.length - 1];
  return knots[0] + (steps ? ((last - knots[0]) * step) / steps : 0);
}

/** Rotations, each with the sign that is nearer to the one before it: q and −q are the same. */
function alignedRotations(keys: readonly PathKey[], up: Vec3): Quaternion[] {
  const rotations: Quaternion[] = [];
  for (const { eye, look } of keys) {
    const q =
      'quaternion' in look
        ? look.quaternion
        : quaternionOf({ viewmat: lookAt(eye, look.target, upright(subtract(look.target, eye), up)) });
    const last = rotations.at(-1) ?? q;
    const sign = last.reduce((sum, value, i) => sum + value * q[i], 0) < 0 ? -1 : 1;
    const length = sign * Math.hypot(...q);
    rotations.push([q[0] / length, q[1] / length, q[2] / length, q[3] / length]);
  }
  return rotations;
}
