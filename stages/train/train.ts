import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { Regularize } from '../../wgsl/splat/regularize.ts';
import { applyStartValues } from '../../wgsl/splat/start_values.ts';
import { backgroundAt } from '../artefacts/background.ts';
import type { Dataset, View } from '../artefacts/dataset.ts';
import { GAUSSIAN_PARAMETERS, type Gaussians } from '../artefacts/gaussians.ts';
import { openClipTarget } from '../clip/target.ts';
import { clipObjective } from '../optimizer/objectives/clip.ts';
import { photometricObjective } from '../optimizer/objectives/photometric.ts';
import { type Rates, SplatOptimizer } from '../optimizer/optimizer.ts';
import { createState, detachGaussians, gaussiansOf, type TrainingState } from '../optimizer/state.ts';
import { largestView, ViewOrder } from '../optimizer/views.ts';
import { type Report, silent } from '../stage.ts';
import { type TrainInput, type TrainOptions, trainOptions } from './options.ts';
import { meansRate, SH_REST, shDegreeAt } from './schedule.ts';
import { STRATEGIES, type Strategy, type StrategyContext } from './strategies/index.ts';

export interface TrainInputs {
  dataset: Dataset;
  gaussians: Gaussians;
}

/** Steps between looks at the overflow latch: what may have to be done again at most. */
const LOOK_EVERY = 50;

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
  const arena = gpu.arena('train/state');
  const context = { seed, steps: options.steps, extent: dataset.extent };
  try {
    const state = createState(arena, gaussians, rowsFor(gaussians.count, options));
    const strategy = await createStrategy(state, options, context);
    if (options.start === 'strategy') await applyStartValues(arena, gaussiansOf(state), strategy.start);
    await optimize(state, strategy, views, options, context, report);
    strategy.destroy();
    return detachGaussians(state, 'train/gaussians');
  } finally {
    arena.destroy();
  }
}

async function optimize(
  state: TrainingState,
  strategy: Strategy,
  views: readonly View[],
  options: TrainOptions,
  context: StrategyContext,
  report: Report,
): Promise<void> {
  const { steps, clip, dssim } = options;
  const { seed, extent } = context;
  const order = new ViewOrder(views, seed);
  const { regularizers } = strategy;
  const regularized = regularizers.opacity > 0 || regularizers.scale > 0;
  const target = clip && (await openClipTarget(state.gpu, clip));
  const optimizer = await SplatOptimizer.create(state, {
    label: 'train',
    ...largestView(views),
    train: GAUSSIAN_PARAMETERS,
    objectives: [
      photometricObjective({ dssim }),
      ...(clip && target ? [clipObjective({ target, seed, weight: clip.weight })] : []),
    ],
    regularizer: regularized
      ? (gpu, gradients) => {
          const { counts, capacity, parameters } = state;
          return Regularize.create(
            gpu,
            { counts, rows: capacity, splat: parameters, gradients },
            regularizers,
          );
        }
      : undefined,
  });
  try {
    for (let step = 0; step < steps; step++) {
      const means = meansRate(step, steps, options.rates.means, extent);
      await optimizer.step(
        {
          step,
          view: order.at(step),
          background: backgroundAt(options.background, seed, step),
          shDegree: shDegreeAt(step, steps, state.shDegree, options.shInterval),
          rates: ratesAt(options, means),
        },
        (recorder) => strategy.recordStep(recorder, step, { means }),
      );
      const refine = strategy.refineDue(step);
      if (refine || step === steps - 1 || step % LOOK_EVERY === LOOK_EVERY - 1) {
        const failed = await optimizer.settle();
        if (failed !== undefined) {
          step = failed - 1;
          continue;
        }
      }
      if (refine) await strategy.refine(step);
      report.progress({ step: step + 1, steps, metrics: { ...optimizer.metrics, splats: state.count } });
    }
  } finally {
    optimizer.destroy();
    target?.destroy();
  }
}

function ratesAt({ rates }: TrainOptions, means: number): Rates {
  return {
    means,
    logScales: rates.scales,
    quats: rates.quats,
    opacityLogits: rates.opacity,
    sh: [rates.sh, rates.sh * SH_REST],
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
  if (strategy !== 'mcmc') return count;
  const refinements = Math.ceil(steps / mcmc.refineEvery);
  return Math.max(count, Math.min(cap, Math.ceil(count * 1.05 ** refinements)));
}
