import type { Camera } from '../../stages/artefacts/camera.ts';
import { fromRgba8 } from './rgba8.ts';

export interface HostPicture {
  camera: Camera;
  color: Uint32Array;
  depth: Float32Array;
}

/**
 * Plain twin of image/warp-error, in double precision: the squared rgb differences over B's pixels that are co-visible in A,
 * their number, and the number that B covers.
 * Points go through world space here, by B's inverse pose and A's pose.
 */
export function warpError(
  a: HostPicture,
  b: HostPicture,
  { minAlpha, depthTolerance }: { minAlpha: number; depthTolerance: number },
): { squared: number; covisible: number; covered: number } {
  const { width, height } = b.camera;
  const pictureA = fromRgba8(a.color);
  const pictureB = fromRgba8(b.color);
  let squared = 0;
  let covisible = 0;
  let covered = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const z = b.depth[at];
      if (b.color[at] >>> 24 < minAlpha || z <= 0) continue;
      covered++;
      const seen = project(a.camera, unproject(b.camera, x + 0.5, y + 0.5, z));
      if (seen.z <= 0) continue;
      const u = seen.x - 0.5;
      const v = seen.y - 0.5;
      if (u < 0 || v < 0 || u >= width - 1 || v >= height - 1) continue;
      const taps = [0, 1, 2, 3].map((k) => {
        const dx = k & 1;
        const dy = k >> 1;
        const weight = (dx ? u % 1 : 1 - (u % 1)) * (dy ? v % 1 : 1 - (v % 1));
        return { at: (Math.floor(v) + dy) * width + Math.floor(u) + dx, weight };
      });
      const same = taps.every(
        (tap) =>
          a.color[tap.at] >>> 24 >= minAlpha && Math.abs(a.depth[tap.at] - seen.z) <= depthTolerance * seen.z,
      );
      if (!same) continue;
      covisible++;
      for (let channel = 0; channel < 3; channel++) {
        const sample = taps.reduce((sum, tap) => sum + tap.weight * pictureA[4 * tap.at + channel], 0);
        squared += (sample - pictureB[4 * at + channel]) ** 2;
      }
    }
  }
  return { squared, covisible, covered };
}

function unproject({ fx, fy, cx, cy, viewmat: m }: Camera, u: number, v: number, z: number): number[] {
  const p = [((u - cx) / fx) * z - m[3], ((v - cy) / fy) * z - m[7], z - m[11]];
  return [0, 1, 2].map((j) => m[j] * p[0] + m[4 + j] * p[1] + m[8 + j] * p[2]);
}

/** Pixel position (centres at +0.5) and camera z of a world point. */
export function project({ fx, fy, cx, cy, viewmat: m }: Camera, p: readonly number[]) {
  const [x, y, z] = [0, 4, 8].map((r) => m[r] * p[0] + m[r + 1] * p[1] + m[r + 2] * p[2] + m[r + 3]);
  return { x: (fx * x) / z + cx, y: (fy * y) / z + cy, z };
}
