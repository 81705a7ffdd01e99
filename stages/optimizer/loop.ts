import { permutation, type Recorder } from '../../wgsl/core/index.ts';
import type { View } from '../artefacts/dataset.ts';
import { type CheckpointStore, Stopped } from '../checkpoints.ts';
import type { Report } from '../stage.ts';
import { CheckpointRecorder } from './checkpoint-recorder.ts';
import type { CheckpointState } from './checkpoint-tensors.ts';
import type { Overflow, SplatOptimizer, Step } from './optimizer.ts';
import { type LoopPreview, PreviewRecorder } from './preview-recorder.ts';
import type { TimeBudget } from './time-budget.ts';

/** An optimisation from its first step to its last. Steps count from 0. */
export interface TrainingLoop {
  steps: number;
  /** The first step: the number of finished steps in the restored checkpoint. */
  from?: number;
  /** The view and the learning rates of a step. */
  at(step: number): Omit<Step, 'step'>;
  /** Records work after Adam, in the step's own submission. */
  afterStep?(recorder: Recorder, step: number): void;
  /** Work between two steps, for example densification. Runs when all steps so far are known to be valid. */
  refine?: { due(step: number): boolean; run(step: number): Promise<void> };
  /** Ends the loop in time by skipping steps. */
  budget?: TimeBudget;
  report: Report;
  /** Numbers for the progress line, read after each submitted step. */
  metrics(): Record<string, number>;
  /** Pictures of the splat, after steps that are known to be valid. */
  preview?: LoopPreview;
  checkpoints?: {
    store: CheckpointStore;
    /** The current state, called between two steps. */
    state(): CheckpointState;
  };
}

/** Steps between two checks of the overflow flag: the largest number of steps that are ever redone, and those of a line of the log. */
const CHECK_EVERY = 50;
/** Whether a multiple of `CHECK_EVERY` lies in (step, finished]. It does not depend on where a loop resumed. */
const isCheckDue = (step: number, finished: number) =>
  Math.floor(finished / CHECK_EVERY) > Math.floor(step / CHECK_EVERY);

/**
 * Runs all steps. When a view overflows the intersection buffers, grows them and resumes with the step that failed. A loop
 * that resumes from a checkpoint ends with the same bytes as one that was never interrupted.
 *
 * @throws Stopped when the checkpoint store is stopping, after all finished steps are saved. A loop with no step left ends
 *   normally.
 */
export async function runLoop(optimizer: SplatOptimizer, loop: TrainingLoop): Promise<void> {
  const { checkpoints, report, steps, from = 0 } = loop;
  if (from) report.note(`resumed at step ${from} of ${steps}`);
  const { gpu, label } = optimizer;
  const recorder = checkpoints && new CheckpointRecorder(gpu, { label, report, ...checkpoints });
  const preview = loop.preview && new PreviewRecorder(optimizer.state, label, loop.preview, report);
  try {
    await runSteps(optimizer, loop, recorder, preview);
  } finally {
    await recorder?.close();
    await preview?.close();
  }
}

async function runSteps(
  optimizer: SplatOptimizer,
  loop: TrainingLoop,
  checkpoints?: CheckpointRecorder,
  preview?: PreviewRecorder,
): Promise<void> {
  const { steps, from = 0, refine, report, budget } = loop;
  const refineDue = (step: number) => refine?.due(step) ?? false;
  if (checkpoints?.stopping && from < steps) throw new Stopped(`stopped at step ${from} of ${steps}`);
  const resumed = from ? { from } : {};
  report.progress({ step: from, steps, ...resumed, compiling: from < steps });
  for (let step = from, taken = 1; step < steps; taken++) {
    await optimizer.step({ step, ...loop.at(step) }, (recorder) => loop.afterStep?.(recorder, step));
    // Drivers compile kernels when they first run: it counts as neither the first step nor the second one.
    if (taken === 1) await optimizer.gpu.settle();
    const finished = budget?.next(step, refineDue) ?? step + 1;
    const last = finished >= steps;
    const stop = !last && Boolean(checkpoints?.stopping);
    const save = !last && !stop && Boolean(checkpoints?.due(finished));
    const logged = last || isCheckDue(step, finished);
    if (refineDue(step) || stop || save || logged || budget?.measureDue) {
      const overflow = await optimizer.settle();
      budget?.measure(overflow?.step ?? step);
      if (overflow) {
        report.note(describe(overflow, loop.at(overflow.step).view));
        step = overflow.step;
        continue;
      }
    }
    if (refineDue(step)) {
      await refine?.run(step);
      await optimizer.resizeBuffers();
    }
    if (save) await checkpoints?.take(finished);
    if (logged && !last && preview?.due) await preview.take(loop.at(step));
    report.progress({
      step: Math.min(finished, steps),
      steps,
      metrics: loop.metrics(),
      ...(logged && { logged }),
      ...resumed,
    });
    if (stop) {
      await checkpoints?.takeLast(finished);
      throw new Stopped(`stopped at step ${finished} of ${steps}`);
    }
    step = finished;
  }
}

function describe({ step, needed, capacity }: Overflow, { name }: View): string {
  return `step ${step + 1} redone: view ${name} needs ${needed} intersections, buffers hold ${capacity}; buffers grown`;
}

/** The view of a step: every epoch visits all views once, in its own order. */
export class ViewOrder {
  readonly #views: readonly View[];
  readonly #seed: number;
  #epoch = -1;
  #order: number[] = [];

  constructor(views: readonly View[], seed: number) {
    this.#views = views;
    this.#seed = seed;
  }

  at(step: number): View {
    const epoch = Math.floor(step / this.#views.length);
    if (epoch !== this.#epoch) {
      this.#order = permutation(this.#views.length, this.#seed, 'view', epoch);
      this.#epoch = epoch;
    }
    return this.#views[this.#order[step % this.#views.length]];
  }
}
