import type { Camera } from '../../stages/artefacts/camera.ts';
import { GAUSSIAN_PARAMETERS } from '../../stages/artefacts/gaussians.ts';
import { photometricObjective } from '../../stages/optimizer/objectives.ts';
import { type Rates, SplatOptimizer } from '../../stages/optimizer/optimizer.ts';
import { createState } from '../../stages/optimizer/state.ts';
import type { Arena, Gpu } from '../../wgsl/core/index.ts';
import { tileFor } from '../../wgsl/splat/raster-shape.ts';
import { Rasterizer } from '../../wgsl/splat/rasterizer.ts';
import { RASTER_COUNTER_WORDS, RASTER_COUNTERS } from '../../wgsl/splat/types.ts';
import { mixed } from '../helpers/numbers.ts';
import { type Effort, measure } from './measure.ts';
import { DSSIM } from './picture-rows.ts';
import { type Counted, type Row, rowOf, SH_DEGREE, uploadScene, withArena } from './row.ts';
import type { HostScene, Points } from './scene.ts';
import { renderTraffic, stepTraffic, total } from './traffic.ts';

/** So small that the scene hardly changes while it is measured, so large that every parameter's bytes do. */
const RATES: Rates = {
  means: 1e-6,
  logScales: 1e-5,
  quats: 1e-5,
  opacityLogits: 1e-5,
  sh: [1e-5, 5e-7],
};

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
    const gaussianCount = arena.buffer('gaussianCount', 4);
    const make = (owner: Arena, intersections: number) =>
      Rasterizer.create(gpu, owner, {
        label: 'rasterizer',
        gaussians: splat,
        gaussianCount,
        rows: scene.count,
        shDegree: SH_DEGREE,
        width,
        height,
        intersections,
        depth: true,
        backward: false,
      });
    const look = async (rasterizer: Rasterizer) => {
      gpu.write(gaussianCount, new Uint32Array([scene.count]), 'parameters');
      rasterizer.setView(camera);
      gpu.run('bench/render', (recorder) => rasterizer.record(recorder));
      return gpu.readWords(rasterizer.rasterCounters, 'metrics', RASTER_COUNTER_WORDS);
    };
    // With room for one intersection: the rasteriser says how many it needs.
    const needed = await withArena(gpu, 'bench/count', async (own) =>
      (await look(await make(own, 1))).slice(),
    );
    const rasterizer = await make(
      arena,
      Math.max(1, needed[RASTER_COUNTERS.NEEDED], needed[RASTER_COUNTERS.INTERSECTIONS]),
    );
    const words = await look(rasterizer);
    if (words[RASTER_COUNTERS.FAILED])
      throw new Error('the picture has more intersections than it asked room for');
    const tile = tileFor(gpu);
    const counted: Counted = {
      gaussians: scene.count,
      visible: words[RASTER_COUNTERS.VISIBLE],
      intersections: words[RASTER_COUNTERS.INTERSECTIONS],
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

/** Measures steps of an optimisation once its buffers hold the view's intersections. `take` submits one step. */
export async function measureSteps<T>(
  optimizer: SplatOptimizer,
  take: (step: number) => Promise<void>,
  run: (frame: () => Promise<void>) => Promise<T>,
): Promise<T> {
  let at = 0;
  const frame = () => take(at++);
  for (let growths = 0; growths <= MAX_GROWTHS; growths++) {
    // Buffers grow before anything is measured; where that happens later, the steps behind were void: again.
    await frame();
    const early = await optimizer.settle();
    const measured = early ? undefined : await run(frame);
    const failed = early ?? (await optimizer.settle());
    if (!failed) return measured!;
    at = failed.step;
  }
  throw new Error(`${optimizer.label}: the buffers do not stop growing`);
}

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
      const take = (step: number) =>
        optimizer.step({ step, view, background: [0, 0, 0], shDegree: SH_DEGREE, rates: RATES });
      const measured = await measureSteps(optimizer, take, (frame) => measure(gpu, frame, effort));
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
