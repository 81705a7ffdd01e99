import { pcg4d } from '../../wgsl/core/index.ts';
import type { PlannedStage } from '../file/plan.ts';

/** Keeps derived seeds apart from the random numbers that stages draw by the same hash: no purpose has this number. */
const STAGE_SEED = 0x73746167;

/**
 * The seed of each stage, in order. The first of a name has the run's own; each further one has a seed of its own, so that
 * two restylings do not look at the same views through the same crops. Stages of other names do not count: putting one in
 * changes no seed.
 *
 * @param seed u32.
 */
export function stageSeeds(seed: number, stages: readonly PlannedStage[]): number[] {
  const counts = new Map<string, number>();
  return stages.map(({ stage: { name } }) => {
    const occurrence = counts.get(name) ?? 0;
    counts.set(name, occurrence + 1);
    return occurrence === 0 ? seed : pcg4d(seed, STAGE_SEED, occurrence, 0)[0];
  });
}
