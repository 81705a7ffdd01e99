import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { Regularize } from '../../wgsl/splat/regularize.ts';
import { applyStartValues } from '../../wgsl/splat/start_values.ts';
import { backgroundAt } from '../artefacts/background.ts';
import { type Dataset, largestView, type View } from '../artefacts/dataset.ts';
import { GAUSSIAN_PARAMETERS, type Gaussians } from '../artefacts/gaussians.ts';
import { openClipTarget } from '../clip/target.ts';
import { runCourse } from '../optimizer/course.ts';
import { clipObjective } from '../optimizer/objectives/clip.ts';
import { photometricObjective } from '../optimizer/objectives/photometric.ts';
import { type OptimizerOptions, SplatOptimizer } from '../optimizer/optimizer.ts';
import { adamRates } from '../optimizer/parameters.ts';
import { createState, detachGaussians, gaussiansOf, type TrainingState } from '../optimizer/state.ts';
import { ViewOrder } from '../optimizer/views.ts';
import { type Report, silent } from '../stage.ts';
import { type TrainInput, type TrainOptions, trainOptions } from './options.ts';
import { meansRate, shDegreeAt } from './schedule.ts';
import { STRATEGIES, type Strategy, type StrategyContext } from './strategies/index.ts';
import { finalCount } from './strategies/mcmc.ts';

export interface TrainInputs {
  dataset: Dataset;
  gaussians: Gaussians;
}

/**
 * Trains a splat on the photographs of the training views: (1 − dssim)·L1 + dssim·(1 − SSIM) (Kerbl et al. 2023, eq. 7), with
 * `clip` also − weight·CLIP (the paper's eq. 3 when dssim is 0). Gives new Gaussians; the ones that came in stay as they are.
 */
export async function train(
  gpu: Gpu,
  { dataset, gaussians }: TrainInputs,
  given: TrainInput = {},
  { seed = 42, report = silent }: { seed?: number; report?: Report } = {},
): Promise<Gaussians> {
  const options = trainOptions.parse(given);
  const views = dataset.views.filter(({ split, image }) => split === 'train' && image);
  if (!views.length) {
    throw new InputError(
      'train needs photographs, and the dataset has none among its training views; load a COLMAP capture, or leave train out',
    );
  }
  if (options.strategy === 'mcmc' && gaussians.count > options.cap) {
    report.warn(
      `train.cap is ${options.cap} and training starts with ${gaussians.count} Gaussians: all of them stay and none are added; ` +
        'for a smaller splat start from fewer (init: from random, with count)',
    );
  }
  const arena = gpu.arena('train/state');
  const context = { seed, steps: options.steps, extent: dataset.extent };
  const owned: { destroy(): void }[] = [arena];
  try {
    const state = createState(arena, gaussians, rowsFor(gaussians.count, options));
    const strategy = await createStrategy(state, options, context);
    owned.push(strategy);
    if (options.start === 'strategy') await applyStartValues(arena, gaussiansOf(state), strategy.start);
    const { clip, dssim } = options;
    const objectives = [photometricObjective({ dssim })];
    if (clip) {
      const target = await openClipTarget(gpu, clip);
      owned.push(target);
      objectives.push(clipObjective({ target, seed, weight: clip.weight }));
    }
    const optimizer = await SplatOptimizer.create(state, {
      label: 'train',
      ...largestView(views),
      train: GAUSSIAN_PARAMETERS,
      objectives,
      regularizer: regularizerOf(state, strategy),
    });
    owned.push(optimizer);
    await optimize(optimizer, state, strategy, views, options, context, report);
    return detachGaussians(state, 'train/gaussians');
  } finally {
    for (const part of owned.reverse()) part.destroy();
  }
}

async function optimize(
  optimizer: SplatOptimizer,
  state: TrainingState,
  strategy: Strategy,
  views: readonly View[],
  options: TrainOptions,
  { seed, steps, extent }: StrategyContext,
  report: Report,
): Promise<void> {
  const order = new ViewOrder(views, seed);
  const meansAt = (step: number) => meansRate(step, steps, options.rates.means, extent);
  await runCourse(optimizer, {
    steps,
    at: (step) => ({
      view: order.at(step),
      background: backgroundAt(options.background, seed, step),
      shDegree: shDegreeAt(step, steps, state.shDegree, options.shInterval),
      rates: adamRates(options.rates, meansAt(step)),
    }),
    behind: (recorder, step) => strategy.recordStep(recorder, step, { means: meansAt(step) }),
    between: { due: (step) => strategy.refineDue(step), run: (step) => strategy.refine(step) },
    after: (step) => {
      const metrics = { ...optimizer.metrics, splats: state.count };
      report.progress({ step: step + 1, steps, metrics });
    },
  });
}

/** The strategy's terms of the loss, bound to the state as it is; none where their weights are 0. */
function regularizerOf(state: TrainingState, { regularizers }: Strategy): OptimizerOptions['regularizer'] {
  if (!(regularizers.opacity > 0 || regularizers.scale > 0)) return undefined;
  return (gpu, gradients) => {
    const { counts, capacity, parameters } = state;
    const buffers = { counts, rows: capacity, splat: parameters, gradients };
    return Regularize.create(gpu, buffers, regularizers);
  };
}

function createStrategy(
  state: TrainingState,
  options: TrainOptions,
  context: StrategyContext,
): Promise<Strategy> {
  return options.strategy === 'mcmc'
    ? STRATEGIES.mcmc.create(state, { ...options.mcmc, cap: options.cap }, context)
    : STRATEGIES.default.create(state, options.default, context);
}

/** Rows to start with: all that mcmc can come to, so that nothing is copied on the way. */
function rowsFor(count: number, { strategy, cap, steps, mcmc }: TrainOptions): number {
  return strategy === 'mcmc' ? finalCount(count, { ...mcmc, cap }, steps) : count;
}
