import { existsSync, readFileSync } from 'node:fs';
import type { Camera } from '../../stages/artefacts/camera.ts';
import type { GaussianParameter } from '../../stages/artefacts/gaussians.ts';
import { neighbourDistances } from '../../stages/init/nearest.ts';
import { uniform } from '../helpers/numbers.ts';
import { type NpyArray, readNpz } from './npz.ts';

/** What a scene is made of: points, and the camera that looks at them. */
export interface Points {
  source: 'garden' | 'formula';
  count: number;
  /** [P,3] */
  positions: Float32Array;
  /** [P,3] rgb, 0–255. */
  colors: Uint8Array;
  /** [P] s: the root mean square of the distances to the three nearest. */
  spacing: Float32Array;
  /** Of the smallest picture; larger ones scale it. */
  camera: Camera;
}

/** Gaussians as host arrays; layouts as `Gaussians`. */
export type HostScene = Record<GaussianParameter, Float32Array> & { count: number };

/** Of the garden, which the formula imitates. */
export const POINTS = 138_766;
const WIDTH = 648;
const HEIGHT = 420;
const INTRINSICS = { fx: 480.61234, fy: 481.54453, cx: 324.1875, cy: 210.0625 };
const SH_C0 = 0.28209479177387814;
const SH_ROW = 48;
/** Of s, where points coincide: its logarithm has to be finite. */
const MIN_SPACING = 1e-6;

/** The points of gsplat's `test_garden.npz`, or of the formula without a file. `every`: take each so-manieth point only. */
export function loadPoints(path?: string, every = 1): Points {
  if (path === undefined) return formulaPoints(Math.floor(POINTS / every));
  if (!existsSync(path)) throw new Error(`${path}: there is no such file`);
  const arrays = readNpz(readFileSync(path));
  const get = (name: string, length: number): NpyArray['data'] => {
    const array = arrays.get(name);
    if (!array || array.data.length < length)
      throw new Error(`${path}: no array ${name} of ${length} numbers`);
    return array.data;
  };
  const all = get('means3d', 3).length / 3;
  const [means, rgb] = [get('means3d', 3), get('colors', 3 * all)];
  const count = Math.floor(all / every);
  const pick = (from: NpyArray['data']) => (_: unknown, i: number) =>
    from[3 * every * Math.floor(i / 3) + (i % 3)];
  const positions = Float32Array.from({ length: 3 * count }, pick(means));
  const k = get('Ks', 9);
  return {
    source: 'garden',
    count,
    positions,
    colors: Uint8Array.from({ length: 3 * count }, pick(rgb)),
    spacing: spacingOf(positions),
    camera: {
      width: get('width', 1)[0],
      height: get('height', 1)[0],
      fx: k[0],
      fy: k[4],
      cx: k[2],
      cy: k[5],
      viewmat: [...get('viewmats', 16).subarray(0, 16)],
    },
  };
}

/** Part of the formula's points that lie before the camera, as of the garden's. */
const BEFORE = 0.559;
/** Part of those that lie on a surface; the rest fills the space around it. */
const ON_SURFACE = 0.98;
/** How far from it the points of a surface, and the rest, scatter; a part of the depth. */
const ROUGHNESS = 0.003;
const SPREAD = 0.06;

/**
 * Points without a file: a rough surface and a thin cloud about it, before the camera and, mirrored, behind it. Its numbers are
 * chosen so that as many are visible as of the garden, with as many intersections, to 3 %.
 */
export function formulaPoints(count: number): Points {
  const [u, v, side, kind] = [0, 1, 2, 3].map((k) => uniform(count, 100 + k));
  const normal = normals();
  const positions = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    const surface = 5 + 2 * Math.sin(7 * u[i]) * Math.cos(5 * v[i]) - 2.5 * v[i];
    const scatter = kind[i] < ON_SURFACE ? ROUGHNESS : SPREAD;
    const z = surface * Math.exp(scatter * normal(i));
    const mirror = side[i] < BEFORE ? 1 : -1;
    positions[3 * i] = (z * (u[i] * WIDTH - INTRINSICS.cx)) / INTRINSICS.fx;
    positions[3 * i + 1] = (z * (v[i] * HEIGHT - INTRINSICS.cy)) / INTRINSICS.fy;
    positions[3 * i + 2] = mirror * z;
  }
  return {
    source: 'formula',
    count,
    positions,
    colors: Uint8Array.from(uniform(3 * count, 104, 0, 256)),
    spacing: spacingOf(positions),
    camera: {
      width: WIDTH,
      height: HEIGHT,
      ...INTRINSICS,
      viewmat: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    },
  };
}

function spacingOf(positions: Float32Array): Float32Array {
  return neighbourDistances(positions, 3).map((s) => Math.max(MIN_SPACING, s));
}

/**
 * The scene of a row: every point `factor` times, or, where that is no whole number, evenly chosen ones once more or not at all.
 * Replicated points scatter by 0.5·s·normal and shrink by the cube root of
 * the factor; opacity is uniform in 0.1–0.9, rotations are random, SH has 3 degrees, of which the upper are 0.02·normal.
 */
export function makeScene(points: Points, factor: number): HostScene {
  const count = Math.round(points.count * factor);
  const normal = normals();
  const whole = Number.isInteger(factor);
  const means = new Float32Array(3 * count);
  const logScales = new Float32Array(3 * count);
  const quats = new Float32Array(4 * count);
  const sh = new Float32Array(SH_ROW * count);
  const shrink = Math.log(factor) / 3;
  const scatter = factor > 1 ? 0.5 : 0;
  let draw = 0;
  for (let i = 0; i < count; i++) {
    const j = whole ? i % points.count : Math.floor((i * points.count) / count);
    const s = points.spacing[j];
    for (let k = 0; k < 3; k++) {
      means[3 * i + k] = points.positions[3 * j + k] + scatter * s * normal(draw++);
      logScales[3 * i + k] = Math.log(s) - shrink;
      sh[SH_ROW * i + k] = (points.colors[3 * j + k] / 255 - 0.5) / SH_C0;
    }
    for (let k = 0; k < 4; k++) quats[4 * i + k] = normal(draw++);
    for (let k = 3; k < SH_ROW; k++) sh[SH_ROW * i + k] = 0.02 * normal(draw++);
  }
  const opacityLogits = uniform(count, 7, 0.1, 0.9).map((o) => Math.log(o / (1 - o)));
  return { count, means, logScales, quats, opacityLogits, sh };
}

/** Camera 0 at another width: the intrinsics times the image factor. */
export function cameraAt({ camera }: Points, width: number): Camera {
  const f = width / camera.width;
  const { fx, fy, cx, cy, viewmat } = camera;
  const height = Math.round(f * camera.height);
  return { width, height, fx: f * fx, fy: f * fy, cx: f * cx, cy: f * cy, viewmat };
}

const TABLE = 1 << 20;
let table: Float32Array | undefined;

/** The i-th normal number. They repeat after 2^20, which is no multiple of what a Gaussian takes. */
function normals(): (i: number) => number {
  if (!table) {
    const [radius, angle] = [uniform(TABLE, 1), uniform(TABLE, 2)];
    table = radius.map((r, i) => Math.sqrt(-2 * Math.log(1 - r)) * Math.cos(2 * Math.PI * angle[i]));
  }
  const values = table;
  return (i) => values[i & (TABLE - 1)];
}
