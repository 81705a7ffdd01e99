import {
  type Camera,
  cameraCenter,
  determinant3,
  dot,
  normalize,
  solve3,
  subtract,
  type Vec3,
} from '../artefacts/camera.ts';
import type { Dataset } from '../artefacts/dataset.ts';

const NO_UP: Vec3 = [0, -1, 0];

/** The properties of all cameras together; see `Dataset`. */
export type SceneFrame = Pick<Dataset, 'up' | 'center' | 'extent'>;

/**
 * Up, centre and extent from all cameras (train and test, as in gsplat's parser) and the SfM points [P,3]. Calls `warn` if
 * all cameras are at one position, which leaves the extent undefined.
 */
export function sceneFrame(
  cameras: readonly Camera[],
  points: Float32Array,
  warn: (text: string) => void,
): SceneFrame {
  const centers = cameras.map(cameraCenter);
  const center = lookedAt(cameras, centers, points);
  return { up: worldUp(cameras), center, extent: sceneExtent(centers, center, warn) };
}

/** The mean of the cameras' up directions (−y of the image); −y of the world when they cancel. */
function worldUp(cameras: readonly Camera[]): Vec3 {
  const sum = cameras.reduce<Vec3>(([x, y, z], { viewmat: m }) => [x - m[4], y - m[5], z - m[6]], [0, 0, 0]);
  return Math.hypot(...sum) > 1e-3 * cameras.length ? normalize(sum) : NO_UP;
}

/** 1.1 × the largest distance of a camera from the cameras' mean (gsplat's scene scale). */
function sceneExtent(centers: readonly Vec3[], center: Vec3, warn: (text: string) => void): number {
  const mean = meanOf(centers);
  const largest = Math.max(...centers.map((c) => Math.hypot(...subtract(c, mean))));
  const toScene = Math.hypot(...subtract(center, mean));
  if (largest > 1e-4 * toScene && largest > 0) return 1.1 * largest;
  const fallback = toScene > 0 ? toScene : 1;
  warn(
    `all ${centers.length} cameras are at one position; the scene extent is set to ${fallback.toPrecision(3)}, ` +
      'the distance to the point that they look at',
  );
  return fallback;
}

/**
 * The least-squares point nearest to all optical axes: Σ(I − ddᵀ)·(p − c) = 0. If the axes are nearly parallel, or the point
 * lies behind the cameras (a forward-facing capture), returns the point at the median depth of the SfM points along the
 * mean axis.
 */
function lookedAt(cameras: readonly Camera[], centers: readonly Vec3[], points: Float32Array): Vec3 {
  const axes = cameras.map(({ viewmat: m }): Vec3 => [m[8], m[9], m[10]]);
  const nearest = nearestToAxes(axes, centers);
  const ahead = nearest && axes.every((axis, i) => dot(axis, subtract(nearest, centers[i])) > 0);
  return nearest && ahead ? nearest : middleOfView(axes, centers, points);
}

function nearestToAxes(axes: readonly Vec3[], centers: readonly Vec3[]): Vec3 | undefined {
  const a = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  const b = [0, 0, 0];
  axes.forEach((d, i) => {
    for (let r = 0; r < 3; r++) {
      for (let c = 0; c < 3; c++) {
        const value = (r === c ? 1 : 0) - d[r] * d[c];
        a[3 * r + c] += value;
        b[r] += value * centers[i][c];
      }
    }
  });
  // The matrix is positive semi-definite with trace 2n: for well-spread axes its determinant is of the order of n³.
  return determinant3(a) > 1e-4 * axes.length ** 3 ? solve3(a, b) : undefined;
}

function middleOfView(axes: readonly Vec3[], centers: readonly Vec3[], points: Float32Array): Vec3 {
  const origin = meanOf(centers);
  const sum = meanOf(axes);
  const axis = normalize(Math.hypot(...sum) > 1e-3 ? sum : axes[0]);
  const depths: number[] = [];
  for (let i = 0; i < points.length; i += 3) {
    const depth = dot(axis, subtract([points[i], points[i + 1], points[i + 2]], origin));
    if (depth > 0) depths.push(depth);
  }
  depths.sort((a, b) => a - b);
  const depth = depths.length ? depths[depths.length >> 1] : 1;
  return [origin[0] + depth * axis[0], origin[1] + depth * axis[1], origin[2] + depth * axis[2]];
}

function meanOf(vectors: readonly Vec3[]): Vec3 {
  const n = vectors.length;
  const [x, y, z] = vectors.reduce<Vec3>((s, v) => [s[0] + v[0], s[1] + v[1], s[2] + v[2]], [0, 0, 0]);
  return [x / n, y / n, z / n];
}
