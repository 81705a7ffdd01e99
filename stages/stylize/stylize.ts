import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { backgroundAt } from '../artefacts/background.ts';
import { type Dataset, largestView } from '../artefacts/dataset.ts';
import type { Gaussians } from '../artefacts/gaussians.ts';
import { openClipTarget } from '../clip/target.ts';
import { runCourse } from '../optimizer/course.ts';
import { clipObjective } from '../optimizer/objectives/clip.ts';
import { SplatOptimizer } from '../optimizer/optimizer.ts';
import { adamRates, PARAMETERS } from '../optimizer/parameters.ts';
import { createState, detachGaussians } from '../optimizer/state.ts';
import { ViewOrder } from '../optimizer/views.ts';
import { type Report, silent } from '../stage.ts';
import { type StylizeInput, stylizeOptions } from './options.ts';

export interface StylizeInputs {
  dataset: Dataset;
  gaussians: Gaussians;
}

/**
 * Restyles a splat towards a prompt: minimises −CLIP(render, prompt) (the paper's eq. 5) by Adam on the named parameters,
 * on random crops of a random training view per step. Gives new Gaussians; the ones that came in stay as they are.
 */
export async function stylize(
  gpu: Gpu,
  { dataset, gaussians }: StylizeInputs,
  given: StylizeInput,
  { seed = 42, report = silent }: { seed?: number; report?: Report } = {},
): Promise<Gaussians> {
  const options = stylizeOptions.parse(given);
  const views = dataset.views.filter(({ split }) => split === 'train');
  if (!views.length) throw new InputError('stylize needs training views, and the dataset has none');
  const { rates, steps } = options;
  const arena = gpu.arena('stylize/state');
  const owned: { destroy(): void }[] = [arena];
  try {
    const target = await openClipTarget(gpu, options);
    owned.push(target);
    const state = createState(arena, gaussians);
    const order = new ViewOrder(views, seed);
    const optimizer = await SplatOptimizer.create(state, {
      label: 'stylize',
      ...largestView(views),
      train: options.train.map((name) => PARAMETERS[name]),
      objectives: [clipObjective({ target, seed, weight: 1 })],
    });
    owned.push(optimizer);
    await runCourse(optimizer, {
      steps,
      at: (step) => ({
        view: order.at(step),
        background: backgroundAt(options.background, seed, step),
        shDegree: state.shDegree,
        rates: adamRates(rates, rates.means * dataset.extent),
      }),
      after: (step) => report.progress({ step: step + 1, steps, metrics: { ...optimizer.metrics } }),
    });
    return detachGaussians(state, 'stylize/gaussians');
  } finally {
    for (const part of owned.reverse()) part.destroy();
  }
}
