import { InputError } from '../../../wgsl/core/index.ts';
import {
  type Camera,
  cameraCenter,
  cross,
  dot,
  lookAt,
  normalize,
  subtract,
  type Vec3,
} from '../../artefacts/camera.ts';
import { median } from '../../artefacts/median.ts';
import type { Picture } from './path.ts';
import { isSupported } from './support.ts';

/**
 * A circle of camera positions around a vertical axis, or an arc of it. Azimuth 0 is the direction `front` and grows towards
 * up × front; every position is `radius` from the axis and `height` above the centre along `up`.
 */
export interface Ring {
  center: Vec3;
  /** Unit length. */
  up: Vec3;
  /** Unit length, perpendicular to up. */
  front: Vec3;
  radius: number;
  height: number;
  /** Start of the path (full turn) or middle of the swing, radians. */
  azimuth: number;
  /** Angle of the arc, radians; 2π is a full turn. */
  arc: number;
  /** Whether the cameras look at the centre or away from it, as in a room captured from its middle. */
  facing: 'in' | 'out';
  /** Focal length ÷ the smaller side of the image: square pixels. */
  focal: number;
}

export type Turn = 'auto' | 'full' | 'swing';

/** A larger gap in the azimuths means an unseen side, which a full turn would show. */
const MAX_GAP = Math.PI / 2;
/** Smallest swing: some parallax even for a single viewpoint. */
const MIN_ARC = (10 * Math.PI) / 180;
/** Minimum of radius ÷ |height|: directly above the centre the image has no up direction. */
const MIN_SLOPE = 0.2;
/** Minimum radius relative to the scene extent; cameras closer to their look-at point have no ring. */
const MIN_RADIUS = 1e-3;

/** The input of `fitRing`. */
export interface RingScene {
  cameras: readonly Camera[];
  up: Vec3;
  center: Vec3;
  extent: number;
}

/**
 * Fits a ring to the training cameras: around `center`, with the medians of their distances from the axis, heights and focal
 * lengths. `turn: auto` is a full turn if the cameras leave no gap above 90°, and otherwise a swing over the arc that they
 * cover (forward-facing captures). A full turn starts `start` degrees after the first camera.
 * @throws InputError when all cameras are at one position.
 */
export function fitRing({ cameras, up, center, extent }: RingScene, turn: Turn, start = 0): Ring {
  if (!cameras.length)
    throw new InputError('orbit.path: turntable needs training views, and there are none; use path: bounds');
  const axis = normalize(up);
  const offsets = cameras.map((camera) => subtract(cameraCenter(camera), center));
  const heights = offsets.map((offset) => dot(offset, axis));
  const flat = offsets.map((offset, i) => along(offset, axis, -heights[i]));
  const radii = flat.map((offset) => Math.hypot(...offset));
  const height = median(heights);
  const radius = Math.max(median(radii), MIN_SLOPE * Math.abs(height));
  if (!(radius > MIN_RADIUS * extent)) {
    throw new InputError(
      'orbit.path: all training cameras are at the point that they look at, so they define no circle; use path: bounds',
    );
  }
  // The camera farthest from the axis defines the most stable front.
  const front = normalize(flat[radii.indexOf(Math.max(...radii))]);
  const side = cross(axis, front);
  const azimuths = flat.map((offset) => Math.atan2(dot(offset, side), dot(offset, front)));
  const { middle, arc, gap } = coverage(azimuths);
  const full = turn === 'full' || (turn === 'auto' && gap <= MAX_GAP);
  return {
    center,
    up: axis,
    front,
    radius,
    height,
    azimuth: full ? azimuths[0] + (start * Math.PI) / 180 : middle,
    arc: full ? 2 * Math.PI : Math.max(arc, MIN_ARC),
    facing: lookInwards(cameras, offsets) ? 'in' : 'out',
    focal: medianFocal(cameras),
  };
}

/** The median over the cameras of focal length ÷ smaller image side. */
export function medianFocal(cameras: readonly Camera[]): number {
  return median(cameras.map(({ fx, fy, width, height }) => (fx + fy) / 2 / Math.min(width, height)));
}

/** The shortest arc that contains all azimuths: its middle, its length, and the remaining gap. */
export function coverage(azimuths: readonly number[]): { middle: number; arc: number; gap: number } {
  const sorted = [...azimuths].sort((a, b) => a - b);
  let gap = -1;
  let end = 0;
  for (let i = 0; i < sorted.length; i++) {
    const next = i + 1 < sorted.length ? sorted[i + 1] : sorted[0] + 2 * Math.PI;
    if (next - sorted[i] > gap) {
      gap = next - sorted[i];
      end = next;
    }
  }
  const arc = 2 * Math.PI - gap;
  return { middle: end + arc / 2, arc, gap };
}

function lookInwards(cameras: readonly Camera[], offsets: readonly Vec3[]): boolean {
  const towards = cameras.map(
    ({ viewmat }, i) => -dot([viewmat[8], viewmat[9], viewmat[10]], normalize(offsets[i])),
  );
  return median(towards) >= 0;
}

/** a + s·axis */
export function along(a: Vec3, axis: Vec3, s: number): Vec3 {
  return [a[0] + s * axis[0], a[1] + s * axis[1], a[2] + s * axis[2]];
}

/**
 * Cameras along a ring. A full turn is divided evenly and its last camera is one step before its first; a swing follows a
 * cosine from one end to the other and back, at rest at both ends, so that both loop without a jump. The camera moves towards growing
 * azimuth, and the smaller image side has the field of view of the smaller side of a training view.
 */
export function ringCameras(ring: Ring, { frames, width, height }: Picture): Camera[] {
  const focal = ring.focal * Math.min(width, height);
  return Array.from({ length: frames }, (_, i) => {
    const turn = (2 * Math.PI * i) / frames;
    const eye = ringPoint(
      ring,
      ring.azimuth + (ring.arc >= 2 * Math.PI ? turn : (-ring.arc / 2) * Math.cos(turn)),
    );
    const target: Vec3 = ring.facing === 'in' ? ring.center : along(along(eye, eye, 1), ring.center, -1);
    const viewmat = lookAt(eye, target, ring.up);
    return { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2, viewmat };
  });
}

/** Parts of an arc by which `supportedRing` moves an end. */
const ARC_STEPS = 32;

/** A swing that ends where photographs no longer support the view with its framing; a full turn as it is. */
export function supportedRing(
  ring: Ring,
  photographs: readonly Camera[],
  picture: Picture,
  frame: (cameras: readonly Camera[]) => readonly Camera[] = (cameras) => cameras,
): Ring {
  if (ring.arc >= 2 * Math.PI || ring.facing === 'out') return ring;
  const distance = Math.hypot(ring.radius, ring.height);
  /** The distance of the end from the middle, on one side. */
  const reach = (side: 1 | -1) => {
    for (let step = ARC_STEPS; step > 0; step--) {
      const angle = (step / ARC_STEPS) * (ring.arc / 2);
      if (angle <= MIN_ARC / 2) break;
      const end = { ...ring, azimuth: ring.azimuth + side * angle, arc: 2 * Math.PI };
      const [view] = frame(ringCameras(end, { ...picture, frames: 1 }));
      if (isSupported(view, distance, photographs)) return angle;
    }
    return Math.min(MIN_ARC, ring.arc) / 2;
  };
  const [left, right] = [reach(-1), reach(1)];
  return { ...ring, azimuth: ring.azimuth + (right - left) / 2, arc: left + right };
}

/** The camera position at an azimuth (radians). */
export function ringPoint({ center, up, front, radius, height }: Ring, azimuth: number): Vec3 {
  const side = cross(up, front);
  const out = along(along([0, 0, 0], front, radius * Math.cos(azimuth)), side, radius * Math.sin(azimuth));
  return along(along(center, out, 1), up, height);
}

/** `a full turn, radius 4.2, 120 frames of 960×540`. */
export function describeRing({ arc, radius }: Ring, { frames, width, height }: Picture): string {
  const degrees = Math.round((arc * 180) / Math.PI);
  const kind =
    degrees >= 360 ? 'a full turn' : `a swing of ${degrees}°, the arc that the photographs support`;
  return `${kind}, radius ${radius.toPrecision(3)}, ${frames} frames of ${width}×${height}`;
}
