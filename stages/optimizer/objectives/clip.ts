import type { ClipTarget } from '../../clip/target.ts';
import type { ObjectiveFactory } from '../objective.ts';

/** −weight · CLIP(render, prompt), the mean over random crops (the paper's eq. 3 and 5). The target outlives the objective. */
export function clipObjective({
  target,
  seed,
  weight,
}: {
  target: ClipTarget;
  seed: number;
  weight: number;
}): ObjectiveFactory {
  const { objective } = target;
  return async (_gpu, _arena, { color, gradient }) => ({
    prepare(step, { camera }) {
      objective.setStep(seed, step, camera);
    },
    record(recorder) {
      objective.record(recorder, color, gradient, weight);
    },
    metrics: {
      buffer: objective.cosines,
      words: objective.options.batch,
      read: (cosines) => ({ clip: (100 * cosines.reduce((sum, x) => sum + x, 0)) / cosines.length }),
    },
  });
}
