import type { LedgerRow, Purpose } from '../../wgsl/core/index.ts';
import type { PlannedStage } from '../file/plan.ts';

/** The ledger's names for work between stages: taking up saved outputs, and writing the results. */
export const RESUME = '(resume)';
export const RESULTS = '(results)';

type Flow = `${LedgerRow['direction']} ${Purpose}`;

/** Numbers, not scene data: whatever a stage does, it may tell the GPU a little and ask a little. */
const SMALL: readonly Flow[] = ['up parameters', 'down metrics'];
/** What a stage after load may move beside that. */
const WORK: readonly Flow[] = [...SMALL, 'up weights', 'down frames', 'down checkpoints', 'up checkpoints'];
/** Small purposes stay small: this much in one transfer is scene data under a wrong name. */
const SMALL_TRANSFER_BYTES = 256 * 1024;

/** What may cross between CPU and GPU in this stage: scene data enters with the source and the first splat, and stays. */
function allowed(stage: string, stages: readonly PlannedStage[]): readonly Flow[] {
  if (stage === RESUME) return ['up checkpoints', ...SMALL];
  if (stage === RESULTS) return ['down splat-out', ...SMALL];
  const planned = stages.find(({ id }) => id === stage);
  if (!planned) return SMALL;
  const { source, gives, needs } = planned.stage;
  if (source) return [...SMALL, 'up images', 'up splat-in'];
  const makesSplat = gives.includes('gaussians') && !needs.includes('gaussians');
  return makesSplat ? [...WORK, 'up points'] : WORK;
}

/** Rows of the ledger that break the promise that scene data never leaves the GPU between load and the end. */
export function unexpectedTransfers(
  rows: readonly LedgerRow[],
  stages: readonly PlannedStage[],
): LedgerRow[] {
  return rows.filter(({ stage, direction, purpose, largest }) => {
    const flow: Flow = `${direction} ${purpose}`;
    if (!allowed(stage, stages).includes(flow)) return true;
    return SMALL.includes(flow) && largest > SMALL_TRANSFER_BYTES;
  });
}
