import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { backgroundAt } from '../artefacts/background.ts';
import { alphaOf, largestView } from '../artefacts/dataset.ts';
import {
  GAUSSIAN_PARAMETERS,
  type Gaussians,
  parameterWidths,
  releaseGaussians,
  uploadGaussians,
} from '../artefacts/gaussians.ts';
import { withPoses } from '../artefacts/poses.ts';
import type { SavedCheckpoint } from '../checkpoints.ts';
import { openStyleTarget } from '../losses/target.ts';
import { balancedObjective } from '../optimizer/balanced-objective.ts';
import { loopStore } from '../optimizer/checkpoint-recorder.ts';
import {
  type CheckpointTensors,
  checkpointNumbers,
  latestCheckpoint,
  restoreTensors,
  stateTensors,
} from '../optimizer/checkpoint-tensors.ts';
import { runLoop, ViewOrder } from '../optimizer/loop.ts';
import { photometricObjective } from '../optimizer/objectives.ts';
import { SplatOptimizer } from '../optimizer/optimizer.ts';
import { SH_REST } from '../optimizer/parameters.ts';
import { previewOf } from '../optimizer/preview-recorder.ts';
import { createState, detachGaussians } from '../optimizer/state.ts';
import { DEFAULT_SEED, type Report, type StageSettings, silent } from '../stage.ts';
import { type TrainInput, trainOptions } from './options.ts';
import { type TrainInputs, train, trainingViews } from './train.ts';

/** Both splats of a joint optimisation. They differ in SH alone. */
export interface JointSplats {
  /** The styled splat. */
  gaussians: Gaussians;
  /** The splat of the photographs: the bytes of a training without the prompt. */
  base: Gaussians;
}

/** The loop of the style among the loops of the stage's checkpoints; that of the photographs has no number. */
const STYLE_LOOP = 1;
/**
 * The ratio of the two gradients at k = 1. With three, the styled splat reaches the gain in CLIP score that restyling without
 * photographs reaches on the included capture; with one (k = 1/3), 81 %.
 */
const STYLE_RATIO = 3;

/**
 * Joint optimisation that keeps the scene (`clip.mode: balanced`). First, photographs alone train the splat: its geometry, opacity,
 * growth and SH. Then a second set of SH starts as a copy, or from the best tint of it, and takes `clip.steps` steps along ∇P/‖∇P‖ + 3k·∇C/‖∇C‖, where P is the
 * photometric loss, C is −CLIP, and the norms are those of the image gradients. So k sets how much style the result has,
 * whatever the scales of the two losses. With `checkpoints` it resumes from the newest one, to the same bytes, and saves new ones.
 *
 * @throws InputError when `clip` is missing or its mode is another, and as `train`. Stopped when the checkpoint store is stopping.
 */
export async function trainJointly(
  gpu: Gpu,
  inputs: TrainInputs,
  given: TrainInput,
  { seed = DEFAULT_SEED, report = silent, checkpoints, preview }: StageSettings = {},
): Promise<JointSplats> {
  const { clip, ...options } = trainOptions.parse(given);
  if (clip?.mode !== 'balanced') throw new InputError('joint optimisation needs clip, with mode balanced');
  if (options.exposure || options.poses)
    throw new InputError('train.exposure and train.poses do not apply to clip.mode balanced');
  const dataset = withPoses(inputs.dataset, inputs.poses);
  const views = trainingViews(dataset);
  const steps = options.steps + clip.steps;
  const store = checkpoints && loopStore(checkpoints, STYLE_LOOP, options.steps);
  const { shDegree } = inputs.gaussians;
  const antialias = options.antialias ?? inputs.gaussians.antialias;
  const identity = { seed, steps: clip.steps, shDegree };
  const saved = await latestCheckpoint(store, identity);
  const base = saved
    ? restoreBase(gpu, saved, { shDegree, antialias })
    : await train(gpu, inputs, options, { seed, report: shifted(report, 0, steps), checkpoints, preview });
  const arena = gpu.arena('train/style');
  const owned: { destroy(): void }[] = [arena];
  try {
    const before = { gaussians: base, views, background: options.background };
    const target = await openStyleTarget(gpu, clip, { seed, base: before }, report);
    owned.push(target);
    const state = createState(arena, base);
    const bytes = 4 * parameterWidths(base.shDegree).sh * base.count;
    const tensors = (): CheckpointTensors => ({
      ...stateTensors(state, ['sh']),
      'base/sh': { buffer: base.sh, bytes },
    });
    if (saved) restoreTensors(gpu, tensors(), saved);
    else if (clip.weight > 0) await target.applyTint(state.parameters.sh);
    const optimizer = await SplatOptimizer.create(state, {
      label: 'train/style',
      ...largestView(views),
      train: ['sh'],
      objectives: [
        balancedObjective(
          photometricObjective({ dssim: options.dssim, alpha: alphaOf(views) }),
          target.objective(1),
          STYLE_RATIO * clip.weight,
        ),
      ],
    });
    owned.push(optimizer);
    await optimizer.sizeBuffers(views);
    const order = new ViewOrder(views, seed);
    await runLoop(optimizer, {
      steps: clip.steps,
      from: saved?.step,
      at: (step) => ({
        view: order.at(step),
        background: backgroundAt(options.background, seed, step),
        shDegree: state.shDegree,
        rates: { sh: [clip.rate, clip.rate * SH_REST] },
      }),
      metrics: () => ({ ...optimizer.metrics }),
      report: shifted(report, options.steps, steps),
      preview: previewOf(preview, dataset),
      checkpoints: store && {
        store,
        state: () => ({ numbers: checkpointNumbers(state, identity), tensors: tensors() }),
      },
    });
    return { gaussians: detachGaussians(state, 'train/style/gaussians'), base };
  } catch (error) {
    releaseGaussians(base);
    throw error;
  } finally {
    for (const part of owned.reverse()) part.destroy();
  }
}

/** The splat of the photographs, from a checkpoint of the style's loop. */
function restoreBase(
  gpu: Gpu,
  { numbers, tensors }: SavedCheckpoint,
  { shDegree, antialias }: Pick<Gaussians, 'shDegree' | 'antialias'>,
): Gaussians {
  const floats = (name: string) => {
    const bytes = tensors[name] ?? new Uint8Array();
    return new Float32Array(bytes.slice().buffer);
  };
  const values = GAUSSIAN_PARAMETERS.map((name) => [name, floats(name === 'sh' ? 'base/sh' : name)]);
  return uploadGaussians(
    gpu,
    'train/style/base',
    { count: numbers.count, shDegree, antialias, ...Object.fromEntries(values) },
    'checkpoints',
  );
}

/** Progress as a part of more steps. */
function shifted(report: Report, first: number, steps: number): Report {
  return {
    ...report,
    progress: ({ step, from, ...progress }) =>
      report.progress({
        ...progress,
        step: first + step,
        steps,
        ...(from !== undefined && { from: first + from }),
      }),
  };
}
