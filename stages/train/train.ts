import type * as z from 'zod';
import { type Arena, type Gpu, InputError } from '../../wgsl/core/index.ts';
import { PICTURE_BYTES, requirePicture } from '../../wgsl/image/picture-capacity.ts';
import { applyStartValues } from '../../wgsl/splat/start-values.ts';
import { backgroundAt } from '../artefacts/background.ts';
import { alphaOf, type Dataset, largestView, type View } from '../artefacts/dataset.ts';
import type { Exposures } from '../artefacts/exposures.ts';
import { GAUSSIAN_PARAMETERS, type Gaussians } from '../artefacts/gaussians.ts';
import { type Poses, withPoses } from '../artefacts/poses.ts';
import type { CheckpointStore } from '../checkpoints.ts';
import { openStyleTarget } from '../losses/target.ts';
import { annealed } from '../optimizer/anneal.ts';
import {
  type CheckpointTensors,
  checkpointNumbers,
  latestCheckpoint,
  restoreTensors,
  stateTensors,
} from '../optimizer/checkpoint-tensors.ts';
import { ViewExposures } from '../optimizer/exposures.ts';
import { runLoop, ViewOrder } from '../optimizer/loop.ts';
import { photometricObjective } from '../optimizer/objectives.ts';
import { SplatOptimizer } from '../optimizer/optimizer.ts';
import { adamRates } from '../optimizer/parameters.ts';
import { ViewPoses } from '../optimizer/poses.ts';
import { type LoopPreview, previewOf } from '../optimizer/preview-recorder.ts';
import {
  blankState,
  createState,
  detachGaussians,
  gaussiansOf,
  type TrainingState,
} from '../optimizer/state.ts';
import { TimeBudget } from '../optimizer/time-budget.ts';
import { DEFAULT_SEED, type Report, type StageSettings, silent } from '../stage.ts';
import { recipeOf, type TrainInput, type TrainOptions, trainOptions } from './options.ts';
import { removeOutsideMasks } from './outside-masks.ts';
import { dropoutAt, exposureRate, meansRate, poseRate, shDegreeAt } from './schedule.ts';
import { STRATEGIES, type Strategy, type StrategyContext, type StrategyKind } from './strategies/index.ts';

export interface TrainInputs {
  dataset: Dataset;
  gaussians: Gaussians;
  /** Of the training views, in place of the dataset's. */
  poses?: Poses;
}

/** What training gives. */
export interface TrainedScene {
  gaussians: Gaussians;
  /** With `exposure`. */
  exposures?: Exposures;
  /** With `poses`: of the training views. */
  poses?: Poses;
}

/** Trains a splat as `trainScene`; returns the Gaussians alone. */
export async function train(...args: Parameters<typeof trainScene>): Promise<Gaussians> {
  return (await trainScene(...args)).gaussians;
}

/**
 * Trains a splat on the photographs of the training views: (1 − dssim)·L1 + dssim·(1 − SSIM) (Kerbl et al. 2023, eq. 7), with
 * `clip` in mode `paper` also − weight·CLIP (eq. 3 of the paper if dssim is 0). `trainJointly` is for mode `balanced`. Returns new
 * Gaussians; the input is unchanged. With `checkpoints` it resumes from the newest one, to the same bytes, and saves new ones.
 *
 * @throws Stopped when the checkpoint store is stopping.
 */
export async function trainScene(
  gpu: Gpu,
  { dataset: capture, gaussians, poses: refined }: TrainInputs,
  given: TrainInput = {},
  { seed = DEFAULT_SEED, report = silent, checkpoints, preview }: StageSettings = {},
): Promise<TrainedScene> {
  const began = performance.now();
  const options = trainOptions.parse(given);
  const dataset = withPoses(capture, refined);
  const views = trainingViews(dataset);
  if (options.clip?.mode === 'balanced') {
    throw new InputError('train returns one splat, and clip.mode balanced makes two: call trainJointly');
  }
  const alpha = alphaOf(views);
  if (options.exposure && alpha === 'composite') {
    throw new InputError(
      'train.exposure needs whole photographs or masks: the background that fills transparent photographs has no exposure. Set load.masking to ignore',
    );
  }
  const pixelBytes = options.dssim ? PICTURE_BYTES.ssim : PICTURE_BYTES.render;
  requirePicture(gpu.device.limits, largestView(views), pixelBytes, 'load.downscale');
  const { cap } = strategyOf(options).settings;
  if ('finalCount' in STRATEGIES[options.strategy] && gaussians.count > cap) {
    report.warn(
      `train.cap is ${cap} and training starts with ${gaussians.count} Gaussians: all are kept and none are added; ` +
        'for a smaller splat start from fewer (init: from random, with count)',
    );
  }
  const arena = gpu.arena('train/state');
  const context = { seed, steps: options.steps, extent: dataset.extent, views: views.length };
  const owned: { destroy(): void }[] = [arena];
  try {
    const trim = (state: TrainingState) =>
      removeBackground(state, alpha === 'composite' ? views : [], report);
    const exposures = options.exposure ? new ViewExposures(arena, views) : undefined;
    const { clip, dssim, steps, rates } = options;
    const poses = options.poses
      ? new ViewPoses(arena, views, {
          extent: dataset.extent,
          rateAt: (step) => poseRate(step, steps, rates.poses),
        })
      : undefined;
    const viewTensors = { ...exposures?.tensors, ...poses?.tensors };
    const training = await begin(arena, gaussians, options, context, viewTensors, trim, checkpoints);
    const { state, strategy } = training;
    owned.push(strategy);
    const photometric = photometricObjective({ dssim, alpha });
    const objectives = [
      exposures?.objective(photometric, {
        gaussianCount: state.gaussianCount,
        rateAt: (step) => exposureRate(step, steps, rates.exposure),
      }) ?? photometric,
    ];
    if (clip) {
      const target = await openStyleTarget(gpu, clip, { seed }, report);
      owned.push(target);
      objectives.push(target.objective(clip.weight));
    }
    const optimizer = await SplatOptimizer.create(state, {
      label: 'train',
      ...largestView(views),
      train: GAUSSIAN_PARAMETERS,
      objectives,
      regularizers: strategy.regularizers,
      poses,
    });
    owned.push(optimizer);
    await optimizer.sizeBuffers(views);
    training.spent += (performance.now() - began) / 1000;
    const shown = previewOf(preview, dataset);
    await optimize(optimizer, training, views, options, { report, checkpoints, preview: shown });
    await trim(state);
    const learnt = {
      ...(exposures && { exposures: await exposures.read() }),
      ...(poses && { poses: await poses.read() }),
    };
    return { gaussians: detachGaussians(state, 'train/gaussians'), ...learnt };
  } finally {
    for (const part of owned.reverse()) part.destroy();
  }
}

/** The training views with photographs. @throws InputError when there is none. */
export function trainingViews({ views }: Dataset): View[] {
  const photographed = views.filter(({ split, image }) => split === 'train' && image);
  if (photographed.length) return photographed;
  throw new InputError(
    'train needs photographs, and the dataset has none among its training views; load a capture, or remove train',
  );
}

interface Training {
  state: TrainingState;
  strategy: Strategy;
  /** What else outlives a step: the parameters of the views. */
  viewTensors: CheckpointTensors;
  context: StrategyContext;
  /** The first step. */
  from: number;
  /** Seconds spent so far, including the steps before `from`. */
  spent: number;
  /** Steps taken before `from`. */
  taken: number;
}

/** Removes the Gaussians outside the masks of views with `remove`, with a note. */
async function removeBackground(state: TrainingState, views: readonly View[], report: Report): Promise<void> {
  const removed = views.length ? await removeOutsideMasks(state, views) : 0;
  if (removed)
    report.note(`${removed} of ${state.count + removed} Gaussians lie outside the masks; they are removed`);
}

/**
 * The initial state, from a checkpoint, or from the Gaussians with the strategy's start values. `trim` removes Gaussians of the start that
 * are not trained.
 */
async function begin(
  arena: Arena,
  gaussians: Gaussians,
  options: TrainOptions,
  given: StrategyContext,
  viewTensors: CheckpointTensors,
  trim: (state: TrainingState) => Promise<void>,
  checkpoints?: CheckpointStore,
): Promise<Training> {
  const { shDegree } = gaussians;
  const antialias = options.antialias ?? gaussians.antialias ?? false;
  const saved = await latestCheckpoint(checkpoints, identityOf(given, shDegree));
  const from = saved?.step ?? 0;
  const context = { ...given, from };
  const state = saved
    ? blankState(
        arena,
        { count: saved.numbers.count, shDegree, antialias },
        rowsFor(saved.numbers.count, options, from),
      )
    : createState(arena, { ...gaussians, antialias }, rowsFor(gaussians.count, options, from));
  if (!saved) await trim(state);
  const strategy = await createStrategy(state, options, context);
  try {
    if (saved) restoreTensors(arena.gpu, tensorsOf({ state, strategy, viewTensors }), saved);
    else if (options.start === 'strategy') await applyStartValues(arena, gaussiansOf(state), strategy.start);
    return {
      state,
      strategy,
      viewTensors,
      context,
      from,
      spent: saved?.numbers.spent ?? 0,
      taken: saved?.numbers.taken ?? from,
    };
  } catch (error) {
    strategy.destroy();
    throw error;
  }
}

function identityOf({ seed, steps }: StrategyContext, shDegree: number) {
  return { seed, steps, shDegree };
}

/** All tensors that outlive a step. */
function tensorsOf({
  state,
  strategy,
  viewTensors,
}: Pick<Training, 'state' | 'strategy' | 'viewTensors'>): CheckpointTensors {
  const own = Object.entries(strategy.checkpointTensors()).map(([name, part]) => [`strategy/${name}`, part]);
  return { ...stateTensors(state, GAUSSIAN_PARAMETERS), ...Object.fromEntries(own), ...viewTensors };
}

async function optimize(
  optimizer: SplatOptimizer,
  training: Training,
  views: readonly View[],
  options: TrainOptions,
  {
    report,
    checkpoints: store,
    preview,
  }: { report: Report; checkpoints?: CheckpointStore; preview?: LoopPreview },
): Promise<void> {
  const { state, strategy, context, from, spent, taken } = training;
  const { seed, steps, extent } = context;
  const { seconds } = options;
  const budget = seconds === undefined ? undefined : new TimeBudget({ seconds, steps, spent, taken });
  const order = new ViewOrder(views, seed);
  const recipe = recipeOf(options);
  const meansAt = (step: number) => meansRate(step, steps, recipe.rates.means, extent);
  await runLoop(optimizer, {
    steps,
    from,
    at: (step) => ({
      view: order.at(step),
      background: backgroundAt(options.background, seed, step),
      shDegree: shDegreeAt(step, steps, state.shDegree, recipe.shInterval),
      dropout: { share: dropoutAt(step, steps, recipe.dropout), seed },
      rates: adamRates(recipe.rates, meansAt(step), annealed(step, steps, recipe.anneal)),
    }),
    afterStep: (recorder, step) => strategy.recordStep(recorder, step, { means: meansAt(step) }),
    refine: { due: (step) => strategy.refineDue(step), run: (step) => strategy.refine(step) },
    metrics: () => ({ ...optimizer.metrics, splats: state.count }),
    report,
    preview,
    budget,
    checkpoints: store && {
      store,
      state: () => ({
        numbers: {
          ...checkpointNumbers(state, identityOf(context, state.shDegree)),
          ...(budget && { spent: budget.spent, taken: budget.taken }),
        },
        tensors: tensorsOf(training),
      }),
    },
  });
  if (budget && budget.taken < steps) {
    report.warn(
      `train.seconds ${seconds} ended training after ${budget.taken} steps, with the schedules of ${steps}. ` +
        'The result is not reproducible to the byte; if it must be, set train.steps to a number that fits',
    );
  }
}

function createStrategy(
  state: TrainingState,
  options: TrainOptions,
  context: StrategyContext,
): Promise<Strategy> {
  const { kind, settings } = strategyOf(options);
  return kind.create(state, settings, context);
}

/** Initial capacity: the strategy's final count, if known, so that nothing is copied later. */
function rowsFor(count: number, options: TrainOptions, from: number): number {
  const { kind, settings } = strategyOf(options);
  return kind.finalCount?.(count, settings, options.steps, from) ?? count;
}

/** The strategy and its settings. Merges the option types of all strategies into one. */
function strategyOf(options: TrainOptions): { kind: StrategyKind<z.ZodRawShape>; settings: { cap: number } } {
  const kind = STRATEGIES[options.strategy] as unknown as StrategyKind<z.ZodRawShape>;
  const cap = options.cap ?? kind.cap ?? Number.POSITIVE_INFINITY;
  return { kind, settings: { ...options[options.strategy], cap } };
}
