import { GAUSSIAN_PARAMETERS } from '../../stages/artefacts/gaussians.ts';
import type { Arena, Gpu } from '../../wgsl/core/index.ts';
import type { Measured } from './measure.ts';
import type { HostScene, Points } from './scene.ts';
import type { Work } from './traffic.ts';

export const KINDS = ['step', 'render', 'sort', 'ssim', 'losses', 'clip'] as const;
export type Kind = (typeof KINDS)[number];

/** Degree of every scene's SH. */
export const SH_DEGREE = 3;

/** The work of an image encoder in a row. */
export interface ClipWork {
  precision: string;
  /** FLOP of its products and of its attention: see `clipFlop`. */
  productsFlop: number;
  attentionFlop: number;
  /** Of a dozen steps, those in which the host waited for the GPU; null where the row is no step. */
  waits: number | null;
}

/** One line of the result. What does not apply is null. */
export interface Row extends Measured {
  /** Names the row when two results are compared. */
  id: string;
  kind: Kind | 'frames';
  scene: Points['source'];
  gaussians: number | null;
  visible: number | null;
  intersections: number | null;
  width: number | null;
  height: number | null;
  /** All live buffers, where the row is what a user would run. */
  memoryBytes: number | null;
  /** What a frame must move at least, by traffic.ts. */
  mustMoveBytes: number | null;
  /** Of CLIP. */
  clip?: ClipWork;
  /** Of frames to files: what the parts take when nothing else runs, ms a frame. */
  parts?: Record<string, number>;
}

/** What a camera sees of a scene, counted by the rasteriser itself in a first picture. */
export interface Counted extends Work {
  tiles: number;
}

export function rowOf(points: Points, counted?: Counted): Row {
  const { gaussians = null, visible = null, intersections = null } = counted ?? {};
  return {
    id: '',
    kind: 'step',
    scene: points.source,
    gaussians,
    visible,
    intersections,
    width: null,
    height: null,
    gpuMs: null,
    intervalMs: null,
    wallMs: Number.NaN,
    kernelsMs: null,
    kernels: {},
    memoryBytes: null,
    mustMoveBytes: null,
  };
}

export async function withArena<T>(gpu: Gpu, label: string, body: (arena: Arena) => Promise<T>): Promise<T> {
  const arena = gpu.arena(label);
  try {
    return await body(arena);
  } finally {
    arena.destroy();
  }
}

export function uploadScene(arena: Arena, scene: HostScene) {
  const buffers = GAUSSIAN_PARAMETERS.map((name) => [name, arena.upload(name, scene[name], 'test')] as const);
  return Object.fromEntries(buffers) as Record<(typeof GAUSSIAN_PARAMETERS)[number], GPUBuffer>;
}
