import type { MatrixPlan } from '../file/read.ts';
import { deviceFor, planRun, type Range, rangeOf, type StagePlan } from '../run/stage-plan.ts';

/** What would be done with one stage of some cells, which share its key. */
export interface MatrixStagePlan extends StagePlan {
  cells: string[];
}

/** Says what `runMatrix` would do, and does nothing: a stage that several cells share is listed once. */
export async function planMatrix(
  { cells }: MatrixPlan,
  { adapter, ...range }: Range & { adapter?: string } = {},
): Promise<MatrixStagePlan[]> {
  const rows = new Map<string, MatrixStagePlan>();
  const gpu = await deviceFor(rangeOf(cells[0].plan, range).upTo, adapter);
  try {
    for (const { name, plan } of cells) {
      for (const row of await planRun(plan, { ...range, gpu })) {
        const key = JSON.stringify([row.id, row.key, row.does, row.why]);
        const shared = rows.get(key);
        if (shared) shared.cells.push(name);
        else rows.set(key, { cells: [name], ...row });
      }
    }
  } finally {
    gpu.close();
  }
  return [...rows.values()];
}
