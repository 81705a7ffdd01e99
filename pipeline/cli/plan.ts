import { Command } from 'commander';
import { stages } from '../../stages/index.ts';
import { type MatrixPlan, readMatrix, readPipeline } from '../file/read.ts';
import type { Range, StagePlan } from '../run/stage-plan.ts';
import { type PlanFlags, takeAdapter, withPlanOptions } from './flags.ts';
import { duration, table } from './format.ts';

/** `splatline plan FILE`. */
export function planCommand(): Command {
  const command = new Command('plan')
    .description('Show which stages of a pipeline file would run, which are cached, and why.')
    .argument('<file>', 'a pipeline file (YAML)');
  return withPlanOptions(command).action(async (file: string, flags: PlanFlags) => {
    const { set, cell, json, adapter, ...range } = flags;
    const matrix = cell === undefined ? await readMatrix(file, { set, registry: stages }) : undefined;
    const cells = matrix?.cells ?? [
      { name: '', plan: await readPipeline(file, { set, cell, registry: stages }) },
    ];
    // Cards with one name have the same keys, so the first represents those of all jobs.
    const place = { ...range, adapter: takeAdapter(matrix ? adapter?.slice(0, 1) : adapter) };
    const rows = await planCells(cells, place);
    const lines = json
      ? rows.map((row) => JSON.stringify(matrix ? row : { ...row, cells: undefined }))
      : table(rows.map((row) => [...(matrix ? [cellNames(row.cells, cells.length)] : []), ...columns(row)]));
    process.stdout.write(`${lines.join('\n')}\n`);
  });
}

/** The planned work of one stage, for the cells that share its key. */
interface SharedStagePlan extends StagePlan {
  cells: string[];
}

/** Lists the work of a run of these cells without running it; a stage that several cells share is listed once. */
async function planCells(
  cells: readonly Pick<MatrixPlan['cells'][number], 'name' | 'plan'>[],
  { adapter, ...range }: Range & { adapter?: string },
): Promise<SharedStagePlan[]> {
  const { deviceFor, planRun, rangeOf } = await import('../run/stage-plan.ts');
  const rows = new Map<string, SharedStagePlan>();
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

/** `all 4 cells`, `rococo-1, wood-1` or `rococo-1 and 3 more`. */
function cellNames(cells: readonly string[], all: number): string {
  if (cells.length === all) return all > 1 ? `all ${all} cells` : cells[0];
  return cells.length <= 2 ? cells.join(', ') : `${cells[0]} and ${cells.length - 1} more`;
}

function columns({ id, does, why, seconds, resumes }: StagePlan): string[] {
  const took = seconds === undefined ? '' : ` (took ${duration(seconds)})`;
  const from = resumes === undefined ? '' : `; resumes after step ${resumes}`;
  return [id, does, `${why}${took}${from}`];
}
