import {
  type Camera,
  cameraCenter,
  dot,
  isInPicture,
  normalize,
  projectPoint,
  subtract,
  type Vec3,
} from '../../artefacts/camera.ts';

/** A point that this share of the photographs shows belongs to the subject. */
const SUBJECT_VIEWS = 0.7;
/** The part of the subject's points that every frame shows. */
const SUBJECT_SHOWN = 0.99;
/** Fewer points do not tell the subject. */
const MIN_POINTS = 50;
/** More points and cameras are sampled at even strides. */
const MAX_POINTS = 4000;
const MAX_CAMERAS = 200;

/** A view is supported where the photographs show this share of it, */
const SUPPORTED = 0.9;
/** this many of them, */
const SUPPORTING_VIEWS = 2;
/** along rays at most this far from its own. */
const MAX_RAY_ANGLE = (20 * Math.PI) / 180;
/** Rays of a view, across and down. */
const RAYS = 9;

/** The points [P,3] that most of the photographs show: those that the photographer framed. */
export function subjectPoints(positions: Float32Array, photographs: readonly Camera[]): Vec3[] {
  const cameras = sample(photographs, MAX_CAMERAS);
  const indices = sample([...Array(positions.length / 3).keys()], MAX_POINTS);
  return indices
    .map((i): Vec3 => [positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]])
    .filter((point) => {
      const views = cameras.filter((camera) => isInPicture(camera, projectPoint(camera, point)));
      return views.length >= SUBJECT_VIEWS * cameras.length;
    });
}

/**
 * The factor, at most 1, by which the focal length decreases so that every camera shows the subject: 1 if it does already, or if
 * there are too few points.
 */
export function subjectZoom(cameras: readonly Camera[], subject: readonly Vec3[]): number {
  if (subject.length < MIN_POINTS) return 1;
  const wanted = Math.ceil(SUBJECT_SHOWN * subject.length) - 1;
  const reaches = cameras.map((camera) => {
    const { width, height, cx, cy } = camera;
    const reach = subject.map((point) => {
      const { x, y, z } = projectPoint(camera, point);
      if (!(z > 0)) return Number.POSITIVE_INFINITY;
      return Math.max(Math.abs(x - cx) / (width / 2), Math.abs(y - cy) / (height / 2));
    });
    return reach.sort((a, b) => a - b)[wanted];
  });
  // Points behind a camera are outside at any focal length.
  const largest = Math.max(...reaches.filter(Number.isFinite));
  return largest > 1 ? 1 / largest : 1;
}

/**
 * Whether photographs show what a view shows: nearly all of its rays meet, at `distance` (camera z), points that several photographs
 * see from nearly the same direction.
 */
export function isSupported(view: Camera, distance: number, photographs: readonly Camera[]): boolean {
  const { width, height, fx, fy, cx, cy, viewmat: m } = view;
  const eye = cameraCenter(view);
  const centers = photographs.map(cameraCenter);
  let supported = 0;
  for (let i = 0; i < RAYS ** 2; i++) {
    const x = (distance * (((0.5 + (i % RAYS)) / RAYS) * width - cx)) / fx;
    const y = (distance * (((0.5 + Math.floor(i / RAYS)) / RAYS) * height - cy)) / fy;
    const axis = (k: number) => x * m[k] + y * m[4 + k] + distance * m[8 + k];
    const offset: Vec3 = [axis(0), axis(1), axis(2)];
    const point: Vec3 = [eye[0] + offset[0], eye[1] + offset[1], eye[2] + offset[2]];
    const ray = normalize(offset);
    const views = photographs.filter(
      (camera, k) =>
        dot(normalize(subtract(point, centers[k])), ray) >= Math.cos(MAX_RAY_ANGLE) &&
        isInPicture(camera, projectPoint(camera, point)),
    );
    if (views.length >= SUPPORTING_VIEWS) supported++;
  }
  return supported >= SUPPORTED * RAYS ** 2;
}

/** At most `count` of the items, at even strides. */
export function sample<T>(items: readonly T[], count: number): T[] {
  const length = Math.min(count, items.length);
  return Array.from({ length }, (_, i) => items[Math.floor((i * items.length) / length)]);
}
