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

/** A view is supported where the photographs show this share of it, */
const SUPPORTED = 0.85;
/** this many of them, */
const SUPPORTING_VIEWS = 2;
/** along rays at most this far from its own. */
const MAX_RAY_ANGLE = (20 * Math.PI) / 180;
/** Rays of a view, across and down. */
const RAYS = 9;

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
