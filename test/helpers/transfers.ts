import type { PlannedStage } from '../../pipeline/file/plan.ts';
import { RESULTS, RESUME } from '../../pipeline/run/artefacts.ts';
import type { LedgerRow, Purpose } from '../../wgsl/core/index.ts';

type Flow = `${LedgerRow['direction']} ${Purpose}`;

/** Numbers, not scene data: every stage may transfer a few. */
const SMALL: readonly Flow[] = ['up parameters', 'down metrics'];
/** What a stage after load may transfer. */
const WORK: readonly Flow[] = [...SMALL, 'up weights', 'down frames', 'down checkpoints', 'up checkpoints'];
/** A larger transfer under a small purpose is scene data under a wrong name. */
const SMALL_TRANSFER_BYTES = 256 * 1024;

/** The transfers that a stage may make: scene data enters with the source and the first splat, and stays on the GPU. */
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

/** Rows of the ledger that violate the guarantee that scene data stays on the GPU from load to the end. */
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
