import { type Arena, type Gpu, InputError } from '../../wgsl/core/index.ts';
import { PICTURE_BYTES, requirePicture } from '../../wgsl/image/picture-capacity.ts';
import { backgroundAt } from '../artefacts/background.ts';
import { type Dataset, largestView } from '../artefacts/dataset.ts';
import type { GaussianParameter, Gaussians } from '../artefacts/gaussians.ts';
import type { CheckpointKeeper } from '../checkpoints.ts';
import { openClipTarget } from '../clip/target.ts';
import { runCourse } from '../optimizer/course.ts';
import { keptNumbers, latestCheckpoint, stateParts, type Terms, writeBack } from '../optimizer/kept.ts';
import { clipObjective } from '../optimizer/objectives/clip.ts';
import { SplatOptimizer } from '../optimizer/optimizer.ts';
import { adamRates, PARAMETERS } from '../optimizer/parameters.ts';
import { blankState, createState, detachGaussians, type TrainingState } from '../optimizer/state.ts';
import { ViewOrder } from '../optimizer/views.ts';
import { type Report, silent } from '../stage.ts';
import { type StylizeInput, stylizeOptions } from './options.ts';

export interface StylizeInputs {
  dataset: Dataset;
  gaussians: Gaussians;
}

export interface StylizeSettings {
  seed?: number;
  report?: Report;
  checkpoints?: CheckpointKeeper;
}

/**
 * Restyles a splat towards a prompt: minimises −CLIP(render, prompt) (the paper's eq. 5) by Adam on the named parameters,
 * on random crops of a random training view per step. Gives new Gaussians; the ones that came in stay as they are.
 * With `checkpoints` it goes on from the newest one, to the same bytes, and leaves others on the way.
 *
 * @throws Stopped when the keeper of the checkpoints is stopping.
 */
export async function stylize(
  gpu: Gpu,
  { dataset, gaussians }: StylizeInputs,
  given: StylizeInput,
  { seed = 42, report = silent, checkpoints: keeper }: StylizeSettings = {},
): Promise<Gaussians> {
  const options = stylizeOptions.parse(given);
  const views = dataset.views.filter(({ split }) => split === 'train');
  if (!views.length) throw new InputError('stylize needs training views, and the dataset has none');
  requirePicture(gpu, largestView(views), PICTURE_BYTES.render, 'load.downscale, load.size');
  const { rates, steps } = options;
  const arena = gpu.arena('stylize/state');
  const owned: { destroy(): void }[] = [arena];
  try {
    const target = await openClipTarget(gpu, options);
    owned.push(target);
    const terms = { seed, steps, shDegree: gaussians.shDegree };
    const train = options.train.map((name): GaussianParameter => PARAMETERS[name]);
    const { state, from } = await begin(arena, gaussians, train, terms, keeper);
    const order = new ViewOrder(views, seed);
    const optimizer = await SplatOptimizer.create(state, {
      label: 'stylize',
      ...largestView(views),
      train,
      objectives: [clipObjective({ target, seed, weight: 1 })],
    });
    owned.push(optimizer);
    await runCourse(optimizer, {
      steps,
      from,
      at: (step) => ({
        view: order.at(step),
        background: backgroundAt(options.background, seed, step),
        shDegree: state.shDegree,
        rates: adamRates(rates, rates.means * dataset.extent),
      }),
      metrics: () => ({ ...optimizer.metrics }),
      report,
      checkpoints: keeper && {
        keeper,
        kept: () => ({ numbers: keptNumbers(state, terms), parts: stateParts(state, train) }),
      },
    });
    return detachGaussians(state, 'stylize/gaussians');
  } finally {
    for (const part of owned.reverse()) part.destroy();
  }
}

/** The state to go on with, the checkpoint's or the Gaussians', and the step to begin with. */
async function begin(
  arena: Arena,
  gaussians: Gaussians,
  train: readonly GaussianParameter[],
  terms: Terms,
  keeper?: CheckpointKeeper,
): Promise<{ state: TrainingState; from: number }> {
  const saved = await latestCheckpoint(keeper, terms);
  if (!saved) return { state: createState(arena, gaussians), from: 0 };
  const state = blankState(arena, { count: saved.numbers.count, shDegree: gaussians.shDegree });
  writeBack(arena.gpu, stateParts(state, train), saved);
  return { state, from: saved.step };
}
