import type { Recorder } from '../../wgsl/core/index.ts';
import type { SplatOptimizer, Step } from './optimizer.ts';

/** An optimisation from its first step to its last. Steps count from 0. */
export interface Course {
  steps: number;
  /** What a step draws and how far it moves. */
  at(step: number): Omit<Step, 'step'>;
  /** Records work behind Adam, in the step's own submission. */
  behind?(recorder: Recorder, step: number): void;
  /** Work between two steps, on a state in which no step was void. */
  between?: { due(step: number): boolean; run(step: number): Promise<void> };
  /** Told after each step was submitted. */
  after(step: number): void;
}

/** Steps between looks at the overflow latch: what may have to be done again at most. */
const LOOK_EVERY = 50;

/** Takes all steps; goes back to the step whose view overflowed the buffers, which are then larger. */
export async function runCourse(optimizer: SplatOptimizer, course: Course): Promise<void> {
  const { steps, between } = course;
  for (let step = 0; step < steps; step++) {
    await optimizer.step({ step, ...course.at(step) }, (recorder) => course.behind?.(recorder, step));
    const due = between?.due(step) ?? false;
    if (due || step === steps - 1 || step % LOOK_EVERY === LOOK_EVERY - 1) {
      const failed = await optimizer.settle();
      if (failed !== undefined) {
        step = failed - 1;
        continue;
      }
    }
    if (due) await between?.run(step);
    course.after(step);
  }
}
