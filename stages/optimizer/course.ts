import type { Recorder } from '../../wgsl/core/index.ts';
import { type CheckpointKeeper, Stopped } from '../checkpoints.ts';
import type { Report } from '../stage.ts';
import { Checkpointer } from './checkpointer.ts';
import type { KeptParts } from './kept.ts';
import type { SplatOptimizer, Step } from './optimizer.ts';
import type { TimeBudget } from './time-budget.ts';

/** An optimisation from its first step to its last. Steps count from 0. */
export interface Course {
  steps: number;
  /** The step to begin with: the finished steps of the checkpoint that the state was made from. */
  from?: number;
  /** What a step draws and how far it moves. */
  at(step: number): Omit<Step, 'step'>;
  /** Records work behind Adam, in the step's own submission. */
  behind?(recorder: Recorder, step: number): void;
  /** Work between two steps, on a state in which no step was void. */
  between?: { due(step: number): boolean; run(step: number): Promise<void> };
  /** Ends the course in time, by leaving steps out. */
  budget?: TimeBudget;
  report: Report;
  /** Numbers for the progress line, told after each step was submitted. */
  metrics(): Record<string, number>;
  checkpoints?: {
    keeper: CheckpointKeeper;
    /** What a checkpoint holds of the state as it is now; asked between two steps. */
    kept(): { numbers: Record<string, number>; parts: KeptParts };
  };
}

/** Steps between looks at the overflow latch: what may have to be done again at most. */
const LOOK_EVERY = 50;

/**
 * Takes all steps; goes back to the step whose view overflowed the buffers, which are then larger. What goes on from a
 * checkpoint ends in the bytes of what was never interrupted.
 *
 * @throws Stopped when the keeper of the checkpoints is stopping, once all that was done is saved. A course that has no step
 *   left ends instead.
 */
export async function runCourse(optimizer: SplatOptimizer, course: Course): Promise<void> {
  const { checkpoints, report, steps, from = 0 } = course;
  if (from) {
    report.note(`resumed at step ${from} of ${steps}`);
    report.progress({ step: from, steps, from });
  }
  const { gpu, label } = optimizer;
  const checkpointer = checkpoints && new Checkpointer(gpu, { label, report, ...checkpoints });
  try {
    await takeSteps(optimizer, course, checkpointer);
  } finally {
    await checkpointer?.close();
  }
}

async function takeSteps(
  optimizer: SplatOptimizer,
  course: Course,
  checkpointer?: Checkpointer,
): Promise<void> {
  const { steps, from = 0, between, report, budget } = course;
  const due = (step: number) => between?.due(step) ?? false;
  if (checkpointer?.stopping && from < steps) throw new Stopped(`stopped at step ${from} of ${steps}`);
  for (let step = from, taken = 1; step < steps; taken++) {
    await optimizer.step({ step, ...course.at(step) }, (recorder) => course.behind?.(recorder, step));
    const finished = budget?.next(step, due) ?? step + 1;
    const last = finished >= steps;
    const stop = !last && Boolean(checkpointer?.stopping);
    const keep = !last && !stop && Boolean(checkpointer?.due(finished));
    if (due(step) || stop || keep || last || budget?.lookDue || taken % LOOK_EVERY === 0) {
      const failed = await optimizer.settle();
      budget?.look(failed ?? step);
      if (failed !== undefined) {
        step = failed;
        continue;
      }
    }
    if (due(step)) await between?.run(step);
    if (keep) await checkpointer?.take(finished);
    report.progress({
      step: Math.min(finished, steps),
      steps,
      metrics: course.metrics(),
      ...(from ? { from } : {}),
    });
    if (stop) {
      await checkpointer?.takeLast(finished);
      throw new Stopped(`stopped at step ${finished} of ${steps}`);
    }
    step = finished;
  }
}
