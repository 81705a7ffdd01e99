import { InputError } from '../../wgsl/core/index.ts';
import {
  type Camera,
  cameraCenter,
  cross,
  dot,
  lookAt,
  normalize,
  subtract,
  type Vec3,
} from '../artefacts/camera.ts';

/**
 * A circle of eyes around a vertical axis, or an arc of it. Azimuth 0 lies in the direction `front` and grows towards
 * up × front; every eye is `radius` from the axis and `height` above the centre along `up`.
 */
export interface Ring {
  center: Vec3;
  /** Unit length. */
  up: Vec3;
  /** Unit length, perpendicular to up. */
  front: Vec3;
  radius: number;
  height: number;
  /** Where the path starts (full turn) or the middle of the swing, radians. */
  azimuth: number;
  /** The part of the circle that is shown, radians; 2π is a full turn. */
  arc: number;
  /** Whether the eyes look at the centre or away from it, as when a room was captured from its middle. */
  facing: 'in' | 'out';
  /** Focal length ÷ the smaller side of the image: square pixels. */
  focal: number;
}

export type Turn = 'auto' | 'full' | 'swing';

/** A gap in the azimuths beyond this means that nobody looked from there: a full turn would show the unseen side. */
const LARGEST_GAP = Math.PI / 2;
/** Even a single viewpoint is shown with a little parallax. */
const SMALLEST_ARC = (10 * Math.PI) / 180;
/** Eyes stay this far from the pole (radius ÷ height): straight from above there is no up in the image. */
const LEAST_SLOPE = 0.2;
/** Camera centres nearer to their look-at point than this part of the scene's extent have no ring. */
const LEAST_RADIUS = 1e-3;

/** What the ring is fitted to. */
export interface RingScene {
  cameras: readonly Camera[];
  up: Vec3;
  center: Vec3;
  extent: number;
}

/**
 * The training cameras' own ring: around `center`, with the medians of their distances from the axis, heights and focal
 * lengths. With `turn: auto` it is a full turn where the cameras leave no gap above 90°, and otherwise a swing over the arc
 * that they cover (forward-facing captures). Throws InputError when the cameras stand in one place.
 */
export function fitRing({ cameras, up, center, extent }: RingScene, turn: Turn): Ring {
  if (!cameras.length)
    throw new InputError('orbit.path: cameras needs training views, and there are none; use path: bounds');
  const axis = normalize(up);
  const offsets = cameras.map((camera) => subtract(cameraCenter(camera), center));
  const heights = offsets.map((offset) => dot(offset, axis));
  const flat = offsets.map((offset, i) => along(offset, axis, -heights[i]));
  const radii = flat.map((offset) => Math.hypot(...offset));
  const height = median(heights);
  const radius = Math.max(median(radii), LEAST_SLOPE * Math.abs(height));
  if (!(radius > LEAST_RADIUS * extent)) {
    throw new InputError(
      'orbit.path: the training cameras stand where they look, so they have no ring; use path: bounds',
    );
  }
  // The camera farthest from the axis gives the steadiest front; the path starts at the first camera.
  const front = normalize(flat[radii.indexOf(Math.max(...radii))]);
  const side = cross(axis, front);
  const azimuths = flat.map((offset) => Math.atan2(dot(offset, side), dot(offset, front)));
  const { middle, arc, gap } = coverage(azimuths);
  const full = turn === 'full' || (turn === 'auto' && gap <= LARGEST_GAP);
  return {
    center,
    up: axis,
    front,
    radius,
    height,
    azimuth: full ? azimuths[0] : middle,
    arc: full ? 2 * Math.PI : Math.max(arc, SMALLEST_ARC),
    facing: lookInwards(cameras, offsets) ? 'in' : 'out',
    focal: medianFocal(cameras),
  };
}

/** Focal length ÷ smaller image side, the median of the cameras. */
export function medianFocal(cameras: readonly Camera[]): number {
  return median(cameras.map(({ fx, fy, width, height }) => (fx + fy) / 2 / Math.min(width, height)));
}

/** The shortest arc that holds all azimuths: its middle, its length, and the gap that it leaves out. */
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

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
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

export interface PathOptions {
  frames: number;
  width: number;
  height: number;
  /** Multiplies the focal length. */
  zoom: number;
}

/**
 * Cameras along a ring. A full turn is divided evenly and its last camera is one step before its first; a swing runs as a
 * sine from the middle to one end, the other, and back, so that both loop without a jump. The eye moves towards growing
 * azimuth, and the smaller image side sees what the smaller side of a training view sees.
 */
export function ringCameras(ring: Ring, { frames, width, height, zoom }: PathOptions): Camera[] {
  const focal = zoom * ring.focal * Math.min(width, height);
  return Array.from({ length: frames }, (_, i) => {
    const turn = (2 * Math.PI * i) / frames;
    const eye = ringPoint(
      ring,
      ring.azimuth + (ring.arc >= 2 * Math.PI ? turn : (ring.arc / 2) * Math.sin(turn)),
    );
    const target: Vec3 = ring.facing === 'in' ? ring.center : along(along(eye, eye, 1), ring.center, -1);
    const viewmat = lookAt(eye, target, ring.up);
    return { width, height, fx: focal, fy: focal, cx: width / 2, cy: height / 2, viewmat };
  });
}

/** The eye at an azimuth (radians). */
export function ringPoint({ center, up, front, radius, height }: Ring, azimuth: number): Vec3 {
  const side = cross(up, front);
  const out = along(along([0, 0, 0], front, radius * Math.cos(azimuth)), side, radius * Math.sin(azimuth));
  return along(along(center, out, 1), up, height);
}
