import type { Camera } from '../../stages/artefacts/camera.ts';
import { GAUSSIAN_PARAMETERS } from '../../stages/artefacts/gaussians.ts';
import { openClipTarget } from '../../stages/clip/target.ts';
import { clipObjective } from '../../stages/optimizer/objectives/clip.ts';
import { photometricObjective } from '../../stages/optimizer/objectives/photometric.ts';
import { type Rates, SplatOptimizer } from '../../stages/optimizer/optimizer.ts';
import { createState } from '../../stages/optimizer/state.ts';
import type { Arena, Gpu } from '../../wgsl/core/index.ts';
import { RadixSort } from '../../wgsl/sort/radix_sort.ts';
import { COUNTER_WORDS, COUNTERS } from '../../wgsl/splat/counters.ts';
import { Rasterizer, tileFor } from '../../wgsl/splat/rasterizer.ts';
import { rowLimit } from '../../wgsl/splat/row_capacity.ts';
import { mixed, uniform } from '../helpers/numbers.ts';
import { type Effort, type Measured, measure } from './measure.ts';
import { cameraAt, type HostScene, makeScene, type Points } from './scene.ts';
import { renderTraffic, stepTraffic, total, type Work } from './traffic.ts';

/** A row of the table: how often the points are taken, and how wide the picture is. */
export interface Size {
  row: number;
  factor: number;
  width: number;
}

export const SIZES: readonly Size[] = [
  { row: 1, factor: 1, width: 648 },
  { row: 2, factor: 1, width: 1296 },
  { row: 3, factor: 4, width: 1296 },
  { row: 4, factor: 7, width: 1296 },
  { row: 5, factor: 20, width: 1296 },
];

export const KINDS = ['step', 'render', 'sort', 'ssim', 'clip'] as const;
export type Kind = (typeof KINDS)[number];

export { rowLimit };

/** Degree of every scene's SH. */
export const SH_DEGREE = 3;

/** One line of the result. What does not apply is null. */
export interface Row extends Measured {
  /** Names the row when two results are compared. */
  id: string;
  kind: Kind | 'frames';
  scene: Points['source'];
  gaussians: number | null;
  visible: number | null;
  pairs: number | null;
  width: number | null;
  height: number | null;
  /** All live buffers, where the row is what a user would run. */
  memoryBytes: number | null;
  /** What a frame must move at least, by traffic.ts. */
  mustMoveBytes: number | null;
  /** Of frames to files: what the parts take when nothing else runs, ms a frame. */
  parts?: Record<string, number>;
}

export interface BenchOptions {
  sizes: readonly Size[];
  kinds: readonly Kind[];
  effort: Effort;
  /** Folder of a CLIP model; the demo's unless given. */
  clip?: string;
  /** Told each row when it is there. */
  onRow?(row: Row): void;
  /** Told what is left out, and why. */
  onSkip?(text: string): void;
}

const DSSIM = 0.2;
/** So small that the scene hardly changes while it is measured, so large that every parameter's bytes do. */
const RATES: Rates = {
  means: 1e-6,
  logScales: 1e-5,
  quats: 1e-5,
  opacityLogits: 1e-5,
  sh: [1e-5, 5e-7],
};

/** Measures all rows, small ones first. What depends on the picture's size alone is measured once for each. */
export async function bench(
  gpu: Gpu,
  points: Points,
  { sizes, kinds, effort, clip, onRow, onSkip }: BenchOptions,
): Promise<Row[]> {
  const rows: Row[] = [];
  const seen = new Set<string>();
  const add = (found: Row[]) => {
    for (const row of found) {
      rows.push(row);
      onRow?.(row);
    }
  };
  for (const size of sizes) {
    const ofScene = kinds.some((kind) => kind === 'step' || kind === 'render' || kind === 'sort');
    const count = size.factor * points.count;
    const limit = rowLimit(gpu, SH_DEGREE);
    if (ofScene && count > limit) {
      onSkip?.(`row ${size.row} is left out: ${count} Gaussians, and this adapter holds ${limit}`);
    } else if (ofScene) {
      add(await sceneRows(gpu, points, size, kinds, effort));
    }
    const camera = cameraAt(points, size.width);
    for (const kind of ['ssim', 'clip'] as const) {
      const id = `${kind} ${camera.width}×${camera.height}`;
      if (!kinds.includes(kind) || seen.has(id)) continue;
      seen.add(id);
      add([await pictureRow(gpu, points, size, kind, id, effort, clip)]);
    }
  }
  return rows;
}

/** What a camera sees of a scene, counted by the rasteriser itself in a first picture. */
export interface Counted extends Work {
  tiles: number;
}

async function sceneRows(
  gpu: Gpu,
  points: Points,
  size: Size,
  kinds: readonly Kind[],
  effort: Effort,
): Promise<Row[]> {
  const scene = makeScene(points, size.factor);
  const found: Row[] = [];
  const view = { id: `render ${size.row}`, camera: cameraAt(points, size.width) };
  const { counted, row: render } = await renderRow(gpu, points, scene, view, effort);
  if (kinds.includes('render')) found.push(render);
  if (kinds.includes('sort')) {
    const depth = { id: `sort depths ${size.row}`, count: counted.visible, bits: 32, identity: false };
    const bits = Math.max(1, Math.ceil(Math.log2(counted.tiles + 1)));
    const tiles = { id: `sort tiles ${size.row}`, count: counted.pairs, bits, identity: true };
    for (const sort of [depth, tiles]) {
      const measured = await measureSort(gpu, sort, effort);
      // Keys and values, in and out.
      found.push({
        ...rowOf(points, counted),
        ...measured,
        id: sort.id,
        kind: 'sort',
        width: render.width,
        height: render.height,
        mustMoveBytes: (sort.identity ? 12 : 16) * sort.count,
      });
    }
  }
  if (kinds.includes('step')) {
    const { camera } = view;
    found.unshift(await stepRow(gpu, points, scene, { id: `step ${size.row}`, camera }, counted, effort));
  }
  return found;
}

export function rowOf(points: Points, counted?: Counted): Row {
  const { gaussians = null, visible = null, pairs = null } = counted ?? {};
  return {
    id: '',
    kind: 'step',
    scene: points.source,
    gaussians,
    visible,
    pairs,
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

/** Pictures as a renderer for frames makes them: colour and depth, nothing for a backward pass. */
export function renderRow(
  gpu: Gpu,
  points: Points,
  scene: HostScene,
  { id, camera }: { id: string; camera: Camera },
  effort: Effort,
): Promise<{ counted: Counted; row: Row }> {
  const before = gpu.liveBytes;
  return withArena(gpu, 'bench/render', async (arena) => {
    const splat = uploadScene(arena, scene);
    const { width, height } = camera;
    const counts = arena.buffer('counts', 4);
    const make = (owner: Arena, intersections: number) =>
      Rasterizer.create(gpu, owner, {
        label: 'rasterizer',
        splat,
        counts,
        rows: scene.count,
        shDegree: SH_DEGREE,
        width,
        height,
        intersections,
        depth: true,
        backward: false,
      });
    const look = async (rasterizer: Rasterizer) => {
      gpu.write(counts, new Uint32Array([scene.count]), 'parameters');
      rasterizer.setView(camera);
      gpu.run('bench/render', (recorder) => rasterizer.record(recorder));
      return gpu.readWords(rasterizer.counters, 'metrics', COUNTER_WORDS);
    };
    // With room for one pair: the rasteriser says how many it needs.
    const needed = await withArena(gpu, 'bench/count', async (own) =>
      (await look(await make(own, 1))).slice(),
    );
    const rasterizer = await make(
      arena,
      Math.max(1, needed[COUNTERS.NEEDED], needed[COUNTERS.INTERSECTIONS]),
    );
    const words = await look(rasterizer);
    if (words[COUNTERS.FAILED]) throw new Error('the picture has more pairs than it asked room for');
    const tile = tileFor(gpu);
    const counted: Counted = {
      gaussians: scene.count,
      visible: words[COUNTERS.VISIBLE],
      pairs: words[COUNTERS.INTERSECTIONS],
      pixels: width * height,
      shDegree: SH_DEGREE,
      tiles: Math.ceil(width / tile) * Math.ceil(height / tile),
    };
    const measured = await measure(
      gpu,
      () => {
        rasterizer.setView(camera);
        gpu.run('bench/render', (recorder) => rasterizer.record(recorder));
      },
      effort,
    );
    const row: Row = {
      ...rowOf(points, counted),
      ...measured,
      id,
      kind: 'render',
      width,
      height,
      memoryBytes: gpu.liveBytes - before,
      mustMoveBytes: total(renderTraffic(counted)),
    };
    return { counted, row };
  });
}

/** Rounds that a step may take until its buffers are large enough. */
const MAX_GROWTHS = 8;

/** A step as the stage train takes it, on one view. */
export function stepRow(
  gpu: Gpu,
  points: Points,
  scene: HostScene,
  { id, camera }: { id: string; camera: Camera },
  counted: Counted,
  effort: Effort,
): Promise<Row> {
  const before = gpu.liveBytes;
  return withArena(gpu, 'bench/state', async (arena) => {
    const state = await withArena(gpu, 'bench/scene', async (own) =>
      createState(arena, { count: scene.count, shDegree: SH_DEGREE, ...uploadScene(own, scene) }),
    );
    const { width, height } = camera;
    const image = arena.upload('photo', mixed(width * height, 3), 'test');
    const view = { name: 'view', split: 'train' as const, camera, image };
    const optimizer = await SplatOptimizer.create(state, {
      label: 'bench',
      width,
      height,
      objectives: [photometricObjective({ dssim: DSSIM })],
      train: GAUSSIAN_PARAMETERS,
    });
    try {
      let at = 0;
      const frame = () =>
        optimizer.step({ step: at++, view, background: [0, 0, 0], shDegree: SH_DEGREE, rates: RATES });
      let measured: Measured | undefined;
      for (let growths = 0; !measured; growths++) {
        // Buffers grow before anything is measured; where that happens later, the steps behind were void: again.
        await frame();
        let failed = await optimizer.settle();
        if (failed === undefined) {
          measured = await measure(gpu, frame, effort);
          failed = await optimizer.settle();
        }
        if (failed === undefined) continue;
        if (growths === MAX_GROWTHS) throw new Error(`${id}: the buffers do not stop growing`);
        measured = undefined;
        at = failed;
      }
      return {
        ...rowOf(points, counted),
        ...measured,
        id,
        kind: 'step' as const,
        width,
        height,
        memoryBytes: gpu.liveBytes - before,
        mustMoveBytes: total(stepTraffic(counted)),
      };
    } finally {
      optimizer.destroy();
    }
  });
}

/** A sort of random keys, which come anew each time: it leaves them sorted. */
function measureSort(
  gpu: Gpu,
  { count, bits, identity }: { count: number; bits: number; identity: boolean },
  effort: Effort,
): Promise<Measured> {
  return withArena(gpu, 'bench/sort', async (arena) => {
    const capacity = Math.max(1, count);
    const given = arena.upload(
      'given',
      mixed(capacity, 5).map((word) => word >>> (32 - bits)),
      'test',
    );
    const keys = arena.buffer('keys', 4 * capacity);
    const sort = await RadixSort.create(gpu, arena, {
      label: 'sort',
      capacity,
      keys,
      ...(identity ? { identityValues: true } : { values: arena.buffer('values', 4 * capacity) }),
      count: arena.upload('count', new Uint32Array([count]), 'test'),
      countWord: 0,
      bits,
    });
    return measure(
      gpu,
      () =>
        gpu.run('bench/sort', (recorder) => {
          recorder.copy(given, keys);
          sort.record(recorder);
        }),
      effort,
    );
  });
}

/** An objective by itself, with its gradient, on a random render. */
function pictureRow(
  gpu: Gpu,
  points: Points,
  size: Size,
  kind: 'ssim' | 'clip',
  id: string,
  effort: Effort,
  clip?: string,
): Promise<Row> {
  return withArena(gpu, `bench/${kind}`, async (arena) => {
    const camera = cameraAt(points, size.width);
    const { width, height } = camera;
    const pixels = width * height;
    const color = arena.upload('color', uniform(4 * pixels, 11), 'test');
    const gradient = arena.buffer('gradient', 16 * pixels);
    const image = kind === 'ssim' ? arena.upload('photo', mixed(pixels, 3), 'test') : null;
    const view = { name: 'view', split: 'train' as const, camera, image };
    const target =
      kind === 'clip'
        ? await openClipTarget(gpu, {
            prompt: 'a carved wooden robot',
            model: clip,
            crops: { count: 8, scale: [0.5, 1], rotate: 10, flip: true },
          })
        : undefined;
    try {
      const make = target
        ? clipObjective({ target, seed: 1, weight: 1 })
        : photometricObjective({ dssim: DSSIM });
      const objective = await make(gpu, arena, { width, height, color, gradient });
      let at = 0;
      const frame = () => {
        objective.prepare(at++, view);
        gpu.run(`bench/${kind}`, (recorder) => objective.record(recorder, view));
      };
      const measured = await measure(gpu, frame, effort);
      // rgb in, an rgba8 photograph in, the gradient out.
      const mustMoveBytes = kind === 'ssim' ? 28 * pixels : null;
      return { ...rowOf(points), ...measured, id, kind, width, height, mustMoveBytes };
    } finally {
      target?.destroy();
    }
  });
}
