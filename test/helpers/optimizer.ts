import { GAUSSIAN_PARAMETERS, type GaussianParameter } from '../../stages/artefacts/gaussians.ts';
import { photometricObjective } from '../../stages/optimizer/objectives.ts';
import { SplatOptimizer } from '../../stages/optimizer/optimizer.ts';
import type { TrainingState } from '../../stages/optimizer/state.ts';

/** Rates at which every parameter moves. */
export const RATES = {
  means: 1e-3,
  logScales: 5e-3,
  quats: 1e-3,
  opacityLogits: 5e-2,
  sh: [2.5e-3, 1e-4],
} as const;

/** An optimizer for views of up to 40×32 pixels with so much room for intersections, and the steps that it found to be void. */
export async function recordingOptimizer(
  state: TrainingState,
  {
    intersections,
    train = GAUSSIAN_PARAMETERS,
  }: { intersections?: number; train?: readonly GaussianParameter[] } = {},
): Promise<{ optimizer: SplatOptimizer; failures: number[] }> {
  const optimizer = await SplatOptimizer.create(state, {
    label: 'test',
    width: 40,
    height: 32,
    intersections,
    objectives: [photometricObjective({ dssim: 0.2 })],
    train,
  });
  const failures: number[] = [];
  const settle = optimizer.settle.bind(optimizer);
  optimizer.settle = async () => {
    const overflow = await settle();
    if (overflow) failures.push(overflow.step);
    return overflow;
  };
  return { optimizer, failures };
}
