import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { backgroundAt } from '../artefacts/background.ts';
import type { Dataset } from '../artefacts/dataset.ts';
import type { GaussianParameter, Gaussians } from '../artefacts/gaussians.ts';
import { openClipTarget } from '../clip/target.ts';
import { clipObjective } from '../optimizer/objectives/clip.ts';
import { SplatOptimizer } from '../optimizer/optimizer.ts';
import { createState, detachGaussians } from '../optimizer/state.ts';
import { largestView, ViewOrder } from '../optimizer/views.ts';
import { type Report, silent } from '../stage.ts';
import { type StylizeInput, stylizeOptions, type TRAINABLE } from './options.ts';

export interface StylizeInputs {
  dataset: Dataset;
  gaussians: Gaussians;
}

const PARAMETER: Record<(typeof TRAINABLE)[number], GaussianParameter> = {
  means: 'means',
  scales: 'logScales',
  quats: 'quats',
  opacity: 'opacityLogits',
  sh: 'sh',
};
/** SH bands above 0 learn at a twentieth, as in training. */
const SH_REST = 1 / 20;
const LOOK_EVERY = 50;

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
  const target = await openClipTarget(gpu, options);
  try {
    const state = createState(arena, gaussians);
    const order = new ViewOrder(views, seed);
    const optimizer = await SplatOptimizer.create(state, {
      label: 'stylize',
      ...largestView(views),
      train: options.train.map((name) => PARAMETER[name]),
      objectives: [clipObjective({ target, seed, weight: 1 })],
    });
    try {
      for (let step = 0; step < steps; step++) {
        await optimizer.step({
          step,
          view: order.at(step),
          background: backgroundAt(options.background, seed, step),
          shDegree: state.shDegree,
          rates: {
            means: rates.means * dataset.extent,
            logScales: rates.scales,
            quats: rates.quats,
            opacityLogits: rates.opacity,
            sh: [rates.sh, rates.sh * SH_REST],
          },
        });
        if (step === steps - 1 || step % LOOK_EVERY === LOOK_EVERY - 1) {
          const failed = await optimizer.settle();
          if (failed !== undefined) {
            step = failed - 1;
            continue;
          }
        }
        report.progress({ step: step + 1, steps, metrics: { ...optimizer.metrics } });
      }
    } finally {
      optimizer.destroy();
    }
    return detachGaussians(state, 'stylize/gaussians');
  } finally {
    target.destroy();
    arena.destroy();
  }
}
