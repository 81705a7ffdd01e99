import {
  type Camera,
  cameraCenter,
  isInPicture,
  lookAt,
  normalize,
  projectPoint,
  solve3,
  subtract,
  type Vec3,
} from '../../artefacts/camera.ts';
import type { Dataset } from '../../artefacts/dataset.ts';
import { median } from '../../artefacts/median.ts';
import { trainingCameras } from './path.ts';
import { sample } from './support.ts';

/** The share of the photographs that must show a point of the subject, times the square of its depth relative to the median depth, */
const SUBJECT_VIEWS = 0.7;
/** and the least share. */
const MIN_SUBJECT_VIEWS = 0.4;
/** The part of the subject's points that every frame shows, */
const SUBJECT_SHOWN = 0.997;
/** and the part of a frame, across and down, that shows them: a margin of 4 % on each side. */
const REACH = 0.92;
/** The smallest factor of the focal length: a path through the subject would need a field of view near 180°. */
const MIN_ZOOM = 0.5;
/** Fewer points do not determine the subject. */
const MIN_POINTS = 50;
/** More points and cameras are sampled at even strides. */
const MAX_POINTS = 4000;
const MAX_CAMERAS = 200;
/** Frames from which the subject's middle is found, and repetitions: the middle of its bounds depends on the aim. */
const AIMING_FRAMES = 48;
const AIMING_ROUNDS = 4;
const EPSILON = 1e-3;

/** The aim and the focal length that show the subject in every frame of a path. */
export interface Framing {
  /** The point in the middle of all frames; absent if the path's own aim shows the subject. */
  target?: Vec3;
  /** The factor, at most 1, of the focal lengths. */
  zoom: number;
  /** The smallest factor, at which some frames still cut the subject off: the path comes too near to it. */
  cut?: true;
}

/**
 * The points [P,3] of the subject: those in most photographs. The required share falls with the square of the depth, because near objects
 * cover more of a picture, by 1/depth²: an object before a wall leaves the photographs sooner than the wall.
 */
export function subjectPoints(positions: Float32Array, photographs: readonly Camera[]): Vec3[] {
  const cameras = sample(photographs, MAX_CAMERAS);
  const points = sample([...Array(positions.length / 3).keys()], MAX_POINTS).map(
    (i): Vec3 => [positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]],
  );
  /** For each point, its depths in the photographs that show it, relative to the median of the photograph. */
  const depths: number[][] = points.map(() => []);
  for (const camera of cameras) {
    const shown = points.flatMap((point, index) => {
      const place = projectPoint(camera, point);
      return isInPicture(camera, place) ? [{ index, z: place.z }] : [];
    });
    const middle = median(shown.map(({ z }) => z));
    for (const { index, z } of shown) depths[index].push(z / middle);
  }
  return points.filter((_, i) => {
    const share = depths[i].length / cameras.length;
    return share >= Math.max(MIN_SUBJECT_VIEWS, SUBJECT_VIEWS * median(depths[i]) ** 2);
  });
}

/**
 * The framing of a path whose cameras look at one point. If all of them show the subject with a margin, they stay as they are. Otherwise
 * they look at the middle of the subject, and one focal length shows it in every frame; it never increases.
 */
export function framingOf(cameras: readonly Camera[], subject: readonly Vec3[], up: Vec3): Framing {
  if (subject.length < MIN_POINTS || reachOf(cameras, subject) <= REACH) return { zoom: 1 };
  let aimed = sample(cameras, AIMING_FRAMES);
  let target = middleOf(aimed, subject);
  for (let round = 1; round < AIMING_ROUNDS; round++) {
    aimed = framed(aimed, { target, zoom: 1 }, up);
    target = middleOf(aimed, subject);
  }
  const reach = reachOf(framed(cameras, { target, zoom: 1 }, up), subject);
  if (reach > REACH / MIN_ZOOM) return { target, zoom: MIN_ZOOM, cut: true };
  return { target, zoom: Math.min(1, REACH / reach) };
}

/** The cameras of a path that look at one point, with the framing that shows the subject of the photographs. */
export function frameSubject(
  cameras: readonly Camera[],
  { views, points, up }: Pick<Dataset, 'views' | 'points' | 'up'>,
): { cameras: Camera[]; framing: Framing } {
  const framing = framingOf(cameras, subjectPoints(points.positions, trainingCameras({ views })), up);
  return { cameras: framed(cameras, framing, up), framing };
}

/** The cameras with a framing. */
export function framed(cameras: readonly Camera[], { target, zoom }: Framing, up: Vec3): Camera[] {
  return cameras.map((camera) => ({
    ...camera,
    fx: zoom * camera.fx,
    fy: zoom * camera.fy,
    viewmat: target ? lookAt(cameraCenter(camera), target, up) : camera.viewmat,
  }));
}

/** `, the focal length 80 % of the photographs' to show the subject`, where the framing shortens it. */
export function describeFraming({ zoom, cut }: Framing): string {
  if (zoom === 1) return '';
  const effect = cut ? ', the least, and some frames cut the subject off' : ' to show the subject';
  return `, the focal length ${Math.round(100 * zoom)} % of the photographs'${effect}`;
}

/** The largest distance of the shown points from the middle of a frame, as a part of half its width or height; infinite behind a camera. */
function reachOf(cameras: readonly Camera[], subject: readonly Vec3[]): number {
  const wanted = Math.ceil(SUBJECT_SHOWN * subject.length) - 1;
  const reaches = cameras.map((camera) => {
    const { width, height, cx, cy } = camera;
    const reach = Float64Array.from(subject, (point) => {
      const { x, y, z } = projectPoint(camera, point);
      if (!(z > 0)) return Number.POSITIVE_INFINITY;
      return Math.max(Math.abs(x - cx) / (width / 2), Math.abs(y - cy) / (height / 2));
    });
    return reach.sort()[wanted];
  });
  return reaches.reduce((a, b) => Math.max(a, b), 0);
}

/**
 * The point nearest to the rays through the middle of the subject's bounds in each picture, by least squares: Σ(I − ddᵀ + εI)·(p − m) = 0,
 * with the direction d of a ray and its point m at the subject's median depth, which decides the depth of nearly parallel rays.
 */
function middleOf(cameras: readonly Camera[], subject: readonly Vec3[]): Vec3 {
  const a = Array<number>(9).fill(0);
  const b = [0, 0, 0];
  for (const camera of cameras) {
    const ahead = subject.map((point) => projectPoint(camera, point)).filter(({ z }) => z > 0);
    if (!ahead.length) continue;
    const [x, y] = (['x', 'y'] as const).map((axis) => {
      const sorted = Float64Array.from(ahead, (place) => place[axis]).sort();
      const outside = Math.floor(((1 - SUBJECT_SHOWN) / 2) * sorted.length);
      return (sorted[outside] + sorted[sorted.length - 1 - outside]) / 2;
    });
    const middle = pointAt(camera, x, y, median(ahead.map(({ z }) => z)));
    const d = normalize(subtract(middle, cameraCenter(camera)));
    for (let i = 0; i < 9; i++) {
      const [r, c] = [Math.floor(i / 3), i % 3];
      const value = (r === c ? 1 + EPSILON : 0) - d[r] * d[c];
      a[i] += value;
      b[r] += value * middle[c];
    }
  }
  return solve3(a, b);
}

/** The point at a place of the picture and a depth: the inverse of `projectPoint`. */
function pointAt(camera: Camera, x: number, y: number, z: number): Vec3 {
  const { fx, fy, cx, cy, viewmat: m } = camera;
  const [u, v] = [(z * (x - cx)) / fx, (z * (y - cy)) / fy];
  const eye = cameraCenter(camera);
  const axis = (k: number) => eye[k] + u * m[k] + v * m[4 + k] + z * m[8 + k];
  return [axis(0), axis(1), axis(2)];
}
