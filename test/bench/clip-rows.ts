import type { ClipModel } from '../../stages/clip/model.ts';
import { ClipObjective } from '../../stages/clip/objective.ts';
import { patchCount, type Towers, tokenCount } from '../../stages/clip/towers.ts';
import { chooseLosses } from '../../stages/losses/index.ts';
import { createStyle } from '../../stages/losses/target.ts';
import { SplatOptimizer } from '../../stages/optimizer/optimizer.ts';
import { createState } from '../../stages/optimizer/state.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import { uniform } from '../helpers/numbers.ts';
import { openBenchClip, type Precision } from './clip-models.ts';
import { type Effort, measure } from './measure.ts';
import { type Row, rowOf, SH_DEGREE, uploadScene, withArena } from './row.ts';
import { cameraAt, makeScene, type Points } from './scene.ts';
import { measureSteps } from './scene-rows.ts';
import { Warmer } from './warm.ts';

export interface ClipSelection {
  /** Names of `CLIP_MODELS`, or folders. */
  models: readonly string[];
  /** Crops per step. */
  batches: readonly number[];
  precision: Precision;
  /** A restyling step through one of the models with so many crops; measured where both are selected. */
  restyle: { model: string; batch: number };
}

/** The crops that stylize takes by default. */
const AUGMENT = { scale: [0.5, 1], rotate: 10, flip: true } as const;
/** How long the GPU works before each measurement, ms; a software adapter has no clock to raise. */
const WARM_MS = 50;
/** How long a round of frames takes at least on a GPU, ms. */
const ROUND_MS = 150;
/** So small that the scene hardly changes while it is measured. */
const RATES = { sh: [1e-5, 5e-7] as const };
/** Steps whose waits are counted: fewer than the host may be ahead of the GPU. */
const COUNTED_STEPS = 12;

/**
 * From crops to the gradient of the picture, by model and number of crops, and a restyling step; of a picture of this width and of the
 * scene with every point once.
 */
export async function clipRows(
  gpu: Gpu,
  points: Points,
  width: number,
  { models, batches, precision, restyle }: ClipSelection,
  effort: Effort,
  onRow: (row: Row) => void,
): Promise<void> {
  const warmer = await Warmer.create(gpu, gpu.adapter.software ? 0 : WARM_MS);
  try {
    for (const name of models) {
      const before = gpu.liveBytes;
      const model = await openBenchClip(gpu, name, precision);
      try {
        for (const batch of batches) {
          const given = { name, model, batch, points, width, effort, warmer, before };
          onRow(await gradientRow(gpu, given));
          if (name === restyle.model && batch === restyle.batch) onRow(await restyleRow(gpu, given));
        }
      } finally {
        model.destroy();
      }
    }
  } finally {
    warmer.destroy();
  }
}

interface Given {
  name: string;
  model: ClipModel;
  batch: number;
  points: Points;
  /** Of the picture, pixels. */
  width: number;
  effort: Effort;
  warmer: Warmer;
  /** Live bytes without the model. */
  before: number;
}

/** Crops, image encoder, cosines and the gradient of a random picture. */
function gradientRow(gpu: Gpu, given: Given): Promise<Row> {
  const { name, model, batch, points, warmer, before } = given;
  return withArena(gpu, 'bench/clip', async (arena) => {
    const { width, height } = cameraAt(points, given.width);
    const pixels = width * height;
    const color = arena.upload('color', uniform(4 * pixels, 11), 'test');
    const gradient = arena.buffer('gradient', 16 * pixels);
    const objective = await openObjective(gpu, given);
    try {
      let step = 0;
      const frame = () => {
        objective.setStep(1, step++, { width, height });
        gpu.run('bench/clip', (recorder) => objective.record(recorder, color, gradient));
      };
      const effort = await effortFor(gpu, frame, given.effort);
      const measured = await measure(gpu, frame, effort, () => warmer.run());
      return {
        ...rowOf(points),
        ...measured,
        id: `clip ${name} ×${batch}`,
        kind: 'clip' as const,
        width,
        height,
        memoryBytes: gpu.liveBytes - before - color.size - gradient.size,
        clip: { ...clipFlop(model.towers, batch), precision: model.precision, waits: null },
      };
    } finally {
      objective.destroy();
    }
  });
}

/** A step of the stage stylize on one view, with SH alone as that stage trains them by default. */
function restyleRow(gpu: Gpu, given: Given): Promise<Row> {
  const { name, model, batch, points, warmer } = given;
  const before = gpu.liveBytes;
  return withArena(gpu, 'bench/restyle', async (arena) => {
    const scene = makeScene(points, 1);
    const state = await withArena(gpu, 'bench/scene', async (own) =>
      createState(arena, { count: scene.count, shDegree: SH_DEGREE, ...uploadScene(own, scene) }),
    );
    const camera = cameraAt(points, given.width);
    const { width, height } = camera;
    const view = { name: 'view', split: 'train' as const, camera, image: null };
    const owned: { destroy(): void }[] = [];
    try {
      const texts = { target: randomDirection(model), embed: async () => randomDirection(model) };
      const crops = { count: batch, ...AUGMENT, scale: [...AUGMENT.scale] as [number, number] };
      const parts = { model, texts, losses: chooseLosses('paper', {}), crops };
      const style = await createStyle(gpu, parts, { seed: 1 });
      owned.push(style);
      const optimizer = await SplatOptimizer.create(state, {
        label: 'bench',
        width,
        height,
        objectives: [style.objective(1)],
        train: ['sh'],
      });
      owned.push(optimizer);
      const take = (step: number) =>
        optimizer.step({ step, view, background: [0, 0, 0], shDegree: SH_DEGREE, rates: RATES });
      const measured = await measureSteps(optimizer, take, async (frame) => {
        const effort = await effortFor(gpu, frame, given.effort);
        const times = await measure(gpu, frame, effort, () => warmer.run());
        await optimizer.settle();
        warmer.run();
        return { ...times, waits: await countWaits(frame, COUNTED_STEPS) };
      });
      const { waits, ...times } = measured;
      return {
        ...rowOf(points),
        ...times,
        gaussians: scene.count,
        id: `restyle ${name} ×${batch}`,
        kind: 'clip' as const,
        width,
        height,
        memoryBytes: gpu.liveBytes - before,
        // A software adapter's host waits after each step, so that it does not take a core from the driver.
        clip: {
          ...clipFlop(model.towers, batch),
          precision: model.precision,
          waits: gpu.target === 'cpu' ? null : waits,
        },
      };
    } finally {
      for (const part of owned.reverse()) part.destroy();
    }
  });
}

async function openObjective(gpu: Gpu, { model, batch }: Given): Promise<ClipObjective> {
  const objective = await ClipObjective.create(gpu, model, { batch, width: 1, height: 1, augment: AUGMENT });
  objective.setTarget(randomDirection(model));
  return objective;
}

function randomDirection(model: ClipModel): Float32Array {
  const direction = uniform(model.dimensions, 22, -1, 1);
  const length = Math.hypot(...direction);
  return direction.map((value) => value / length);
}

/** On a GPU as many frames as fill a round, because those of one crop are a hundred times as short as those of 64. */
async function effortFor(gpu: Gpu, frame: () => Promise<void> | void, effort: Effort): Promise<Effort> {
  if (gpu.adapter.software) return effort;
  const time = async (frames: number) => {
    const start = performance.now();
    for (let i = 0; i < frames; i++) await frame();
    await gpu.settle();
    return (performance.now() - start) / frames;
  };
  await time(1);
  const steps = Math.round(ROUND_MS / (await time(3)));
  return {
    warmup: 3,
    profiled: Math.min(effort.profiled, 7),
    steps: Math.min(effort.steps, Math.max(5, steps)),
    rounds: Math.min(effort.rounds, 3),
  };
}

/**
 * How many frames gave up the thread before they were done. The queue holds other work before the first, so a frame that waits for
 * anything on the GPU cannot go on at once.
 */
export async function countWaits(frame: () => Promise<void> | void, frames: number): Promise<number> {
  let waits = 0;
  for (let i = 0; i < frames; i++) {
    let turned = false;
    const turn = setImmediate(() => {
      turned = true;
    });
    await frame();
    clearImmediate(turn);
    if (turned) waits++;
  }
  return waits;
}

/**
 * FLOP of the image encoder and its gradient to the pixels for `batch` crops, two per multiply-add. A linear layer of [M, K] by [K, N]
 * takes 2MKN forward and as many for the gradient of its input; attention over T tokens of width W takes 4T²W forward and 8T²W
 * backward, without what is computed again. One token is pooled: in the last layer, or in the head that
 * pools by attention, queries, output and MLP are those of one token. Norms, activations,
 * softmax and crops do not count.
 */
export function clipFlop(
  { vision, dimensions }: Pick<Towers, 'vision' | 'dimensions'>,
  batch: number,
): { productsFlop: number; attentionFlop: number } {
  const { width, inner, layers, patch } = vision;
  const [patches, tokens] = [patchCount(vision), tokenCount(vision)];
  const mlp = 2 * width * inner;
  const whole = vision.pooling === 'class' ? layers - 1 : layers;
  const products =
    patches * 3 * patch ** 2 * width +
    whole * tokens * (4 * width ** 2 + mlp) +
    (tokens * 2 * width ** 2 + 2 * width ** 2 + mlp) +
    (vision.hasProjection ? width * dimensions : 0);
  const attention = whole * 2 * tokens ** 2 * width + 2 * tokens * width;
  return { productsFlop: 2 * 2 * products * batch, attentionFlop: 2 * 3 * attention * batch };
}
