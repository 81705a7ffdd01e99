import * as z from 'zod';
import { type Arena, type Gpu, InputError } from '../../wgsl/core/index.ts';
import { PICTURE_BYTES, requirePicture } from '../../wgsl/image/picture-capacity.ts';
import { ColorDecay, type DecayRates } from '../../wgsl/splat/edit/color-decay.ts';
import { StepScale } from '../../wgsl/splat/edit/scale-steps.ts';
import { backgroundAt, trainingBackgroundOption } from '../artefacts/background.ts';
import { type Dataset, largestView } from '../artefacts/dataset.ts';
import { type GaussianParameter, type Gaussians, parameterWidths } from '../artefacts/gaussians.ts';
import { type Poses, withPoses } from '../artefacts/poses.ts';
import type { CheckpointStore } from '../checkpoints.ts';
import { clipTargetReads } from '../clip/check.ts';
import { PRESETS, styleTarget } from '../losses/index.ts';
import { checkStyleTarget, colorDecayOf, openStyleTarget } from '../losses/target.ts';
import { annealed, annealOption } from '../optimizer/anneal.ts';
import {
  type CheckpointTensors,
  checkpointNumbers,
  type LoopIdentity,
  latestCheckpoint,
  restoreTensors,
  stateTensors,
} from '../optimizer/checkpoint-tensors.ts';
import { runLoop, ViewOrder } from '../optimizer/loop.ts';
import { SplatOptimizer } from '../optimizer/optimizer.ts';
import { adamRates, PARAMETER_NAMES, PARAMETERS, ratesOption } from '../optimizer/parameters.ts';
import { previewOf } from '../optimizer/preview-recorder.ts';
import { blankState, createState, detachGaussians, type TrainingState } from '../optimizer/state.ts';
import { regionOption } from '../regions/options.ts';
import { openRegion } from '../regions/weights.ts';
import { DEFAULT_SEED, defineStage, type StageSettings, silent } from '../stage.ts';

/** What a step holds of a view, and the options that make it smaller. */
const LARGEST = [PICTURE_BYTES.render, 'load.downscale, load.size'] as const;
/** At a rate of 1e-3, a step takes the whole change away. */
const MAX_DECAY = 1000;
/** The rates of 3DGS, except for opacity, which CLIP changes more than photographs do. */
const RATES = { means: 1.6e-4, scales: 5e-3, quats: 1e-3, opacity: 2e-2 };

export const stylizeOptions = z.strictObject({
  ...styleTarget,
  steps: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(600)
    .describe('Number of optimisation steps, one random training view each'),
  train: z
    .array(z.enum(PARAMETER_NAMES))
    .min(1)
    .default(['sh'])
    .describe('Parameters to optimise; all others stay bit-identical'),
  only: regionOption
    .optional()
    .describe(
      'Restyles this region only: the learning rates of a Gaussian are multiplied by its weight in the region, and Gaussians outside ' +
        'keep every byte. The losses still see the whole scene',
    ),
  background: trainingBackgroundOption('Background colour during restyling'),
  rates: ratesOption(RATES),
  colorDecay: z
    .strictObject({
      chroma: z.number().min(0).max(MAX_DECAY).default(0).describe('Decay of the chroma of the change'),
      luminance: z.number().min(0).max(MAX_DECAY).default(0).describe('Decay of the luminance of the change'),
    })
    .optional()
    .describe(
      'Decay of the change of colours since the first step, as the weight decay of AdamW: a step takes away this much of it, times the ' +
        'learning rate of SH band 0, in all bands; 0 disables it. A given map replaces that of the preset',
    ),
  anneal: annealOption('Decay of all learning rates at the end; that of the preset unless given'),
});

/** Options of stylize as a caller gives them: docs/options.md has units and defaults. */
export type StylizeInput = z.input<typeof stylizeOptions>;

export const stylizeStage = defineStage({
  name: 'stylize',
  module: import.meta.url,
  summary: 'Restyles the splat towards a text prompt through CLIP',
  options: stylizeOptions,
  needs: ['dataset', 'gaussians'],
  uses: ['base', 'poses'],
  gives: ['gaussians', 'base', 'style'],
  async reads(options) {
    const { files, texts } = await clipTargetReads(options);
    // The style contains the model's path, for score. So here the path counts too, not only the contents.
    return { files, texts: { ...texts, ...(options.model ? { model: options.model } : {}) } };
  },
  async preflight(options, { limits, views } = {}) {
    requireSh(options);
    await checkStyleTarget(options, true);
    if (limits && views) requirePicture(limits, views, ...LARGEST);
  },
  async run(gpu, inputs, options, settings) {
    const { prompt, model } = options;
    return {
      gaussians: await stylize(gpu, inputs, options, settings),
      base: inputs.base ?? inputs.gaussians,
      style: { prompt, ...(model ? { model } : {}) },
    };
  },
});

export interface StylizeInputs {
  dataset: Dataset;
  gaussians: Gaussians;
  /** Of the training views, in place of the dataset's. */
  poses?: Poses;
}

/**
 * Restyles a splat towards a prompt: minimises the weighted sum of losses by Adam on the selected parameters, on one random
 * training view per step. The preset `paper` is −CLIP(render, prompt) on random crops (eq. 5 of the paper). Returns new Gaussians; the
 * input is unchanged. With a tint, the first step begins with the best recolouring of the splat. With `colorDecay`, each step pulls colours
 * back to those of the first one. With `only`, Gaussians outside the region keep every byte; with `output` too, it writes `region.png`, in
 * which the region is orange. With `checkpoints` it resumes from the newest one, to the same bytes, and saves new ones.
 *
 * @throws Stopped when the checkpoint store is stopping.
 */
export async function stylize(
  gpu: Gpu,
  { dataset: capture, gaussians, poses }: StylizeInputs,
  given: StylizeInput,
  { seed = DEFAULT_SEED, report = silent, output, checkpoints: store, preview }: StageSettings = {},
): Promise<Gaussians> {
  const options = stylizeOptions.parse(given);
  requireSh(options);
  const dataset = withPoses(capture, poses);
  const views = dataset.views.filter(({ split }) => split === 'train');
  if (!views.length) throw new InputError('stylize needs training views, and the dataset has none');
  requirePicture(gpu.device.limits, largestView(views), ...LARGEST);
  const preset = PRESETS[options.preset];
  const rates = { ...options.rates, sh: options.rates.sh ?? preset.shRate };
  const { steps, anneal = preset.anneal } = options;
  const arena = gpu.arena('stylize/state');
  const owned: { destroy(): void }[] = [arena];
  try {
    const base = { gaussians, views, background: options.background };
    const target = await openStyleTarget(gpu, options, { seed, base }, report);
    owned.push(target);
    const identity = { seed, steps, shDegree: gaussians.shDegree };
    const train = options.train.map((name): GaussianParameter => PARAMETERS[name]);
    const decayRates = train.includes('sh') ? colorDecayOf(options) : undefined;
    const { state, start, from } = await begin(
      arena,
      gaussians,
      { train, keepsStart: Boolean(decayRates), identity },
      store,
    );
    const weights =
      options.only &&
      (await openRegion(
        arena,
        { name: 'only', option: options.only, whenEmpty: 'nothing changes' },
        gaussians,
        { report, output, dataset },
      ));
    if (!from && train.includes('sh')) await target.applyTint(state.parameters.sh, weights);
    if (start && !from)
      gpu.run('stylize/start', (recorder) => recorder.copy(state.parameters.sh, start, start.size));
    const decay = start && decayRates && (await decayColors(arena, state, start, decayRates));
    const scale = weights && (await scaleSteps(arena, state, train, weights));
    const order = new ViewOrder(views, seed);
    const optimizer = await SplatOptimizer.create(state, {
      label: 'stylize',
      ...largestView(views),
      train,
      objectives: [target.objective(1)],
    });
    owned.push(optimizer);
    await optimizer.sizeBuffers(views);
    await runLoop(optimizer, {
      steps,
      from,
      at: (step) => {
        const factor = annealed(step, steps, anneal);
        decay?.set(factor * rates.sh);
        return {
          view: order.at(step),
          background: backgroundAt(options.background, seed, step),
          shDegree: state.shDegree,
          rates: adamRates(rates, factor * rates.means * dataset.extent, factor),
        };
      },
      afterStep: (recorder) => {
        decay?.record(recorder);
        scale?.record(recorder);
      },
      metrics: () => ({ ...optimizer.metrics }),
      report,
      preview: previewOf(preview, dataset),
      checkpoints: store && {
        store,
        state: () => ({
          numbers: checkpointNumbers(state, identity),
          tensors: loopTensors(state, train, start),
        }),
      },
    });
    return detachGaussians(state, 'stylize/gaussians');
  } finally {
    for (const part of owned.reverse()) part.destroy();
  }
}

/** @throws InputError for options that change SH, which stay as they are. */
function requireSh({ tint, colorDecay, train }: z.output<typeof stylizeOptions>): void {
  const decays = colorDecay && (colorDecay.chroma > 0 || colorDecay.luminance > 0);
  const name = tint === 'auto' ? 'tint: auto' : decays && 'colorDecay';
  if (!name || train.includes('sh')) return;
  throw new InputError(
    `${name} changes sh, and train leaves it out: add sh to train, or leave ${name.split(':')[0]} out`,
  );
}

/** What a loop begins with. */
interface Beginning {
  state: TrainingState;
  /** f32 [N, K, 3], if it is kept: the SH of the first step, which a checkpoint has and the first step has yet to write. */
  start?: GPUBuffer;
  /** The first step. */
  from: number;
}

/** The initial state, from a checkpoint or from the Gaussians. */
async function begin(
  arena: Arena,
  gaussians: Gaussians,
  loop: { train: readonly GaussianParameter[]; keepsStart: boolean; identity: LoopIdentity },
  store?: CheckpointStore,
): Promise<Beginning> {
  const saved = await latestCheckpoint(store, loop.identity);
  const count = saved?.numbers.count ?? gaussians.count;
  const bytes = 4 * parameterWidths(gaussians.shDegree).sh * count;
  const start = loop.keepsStart && count ? arena.buffer('start/sh', bytes) : undefined;
  if (!saved) return { state: createState(arena, gaussians), start, from: 0 };
  const state = blankState(arena, { ...gaussians, count });
  restoreTensors(arena.gpu, loopTensors(state, loop.train, start), saved);
  return { state, start, from: saved.step };
}

/** The tensors of a checkpoint. */
function loopTensors(
  state: TrainingState,
  train: readonly GaussianParameter[],
  start?: GPUBuffer,
): CheckpointTensors {
  const tensors = stateTensors(state, train);
  return start ? { ...tensors, 'start/sh': { buffer: start, bytes: start.size } } : tensors;
}

/** Pulls the SH back to those of the first step. */
function decayColors(
  arena: Arena,
  { parameters: { sh }, count, shDegree, gaussianCount }: TrainingState,
  start: GPUBuffer,
  rates: DecayRates,
): Promise<ColorDecay> {
  return ColorDecay.create(arena, { sh, start, count, shDegree, gaussianCount, rates });
}

/** Multiplies the learning rates of each Gaussian by its weight. */
function scaleSteps(
  arena: Arena,
  { parameters, count, shDegree }: TrainingState,
  train: readonly GaussianParameter[],
  weights: GPUBuffer,
): Promise<StepScale> {
  const widths = parameterWidths(shDegree);
  const stepped = train.map((name) => ({ name, values: parameters[name], width: widths[name] }));
  return StepScale.create(arena, { parameters: stepped, count, weights });
}
