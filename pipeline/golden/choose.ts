import { type Camera, resizeCamera } from '../../stages/artefacts/camera.ts';

/** A camera with the name of what it looks through: `turntable-0006`, `view-a-low-03`. */
export interface NamedCamera {
  name: string;
  camera: Camera;
}

/** SSIM's window is 11 pixels wide. */
const LEAST_SIDE = 16;

/**
 * `count` cameras, evenly chosen and scaled so that the longer side has at most `size` pixels: two thirds from the
 * turntable, the others from the held-out views, or all from the one that there is.
 */
export function chooseCameras(
  { turntable, heldOut }: { turntable: readonly NamedCamera[]; heldOut: readonly NamedCamera[] },
  { count, size }: { count: number; size: number },
): NamedCamera[] {
  const views = Math.min(heldOut.length, Math.max(count - turntable.length, Math.floor(count / 3)));
  const chosen = [...evenly(turntable, count - views), ...evenly(heldOut, views)];
  const names = chosen.map(({ name }) => name);
  // Views in different folders may share a name; files may not.
  const unique = (name: string, i: number) => (names.indexOf(name) < i ? `${name}-${i}` : name);
  return chosen.map(({ name, camera }, i) => ({ name: unique(name, i), camera: shrink(camera, size) }));
}

/** `count` of the list, the first among them, at even distances; all of a shorter list. */
export function evenly<T>(list: readonly T[], count: number): T[] {
  const length = Math.min(count, list.length);
  return Array.from({ length }, (_, i) => list[Math.floor((i * list.length) / length)]);
}

function shrink(camera: Camera, size: number): Camera {
  const scale = Math.min(1, size / Math.max(camera.width, camera.height));
  const side = (length: number) => Math.max(LEAST_SIDE, Math.round(length * scale));
  return resizeCamera(camera, side(camera.width), side(camera.height));
}

/** A file stem of letters, digits, dots and dashes. */
export function stem(name: string): string {
  return name
    .replace(/\.[A-Za-z0-9]+$/, '')
    .replace(/[^A-Za-z0-9.-]+/g, '-')
    .slice(-80);
}
