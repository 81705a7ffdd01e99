import { Command } from 'commander';
import { stages } from '../../stages/index.ts';
import { type MatrixPlan, readMatrix, readPipeline } from '../file/read.ts';
import { deviceFor, planRun, type Range, rangeOf, type StagePlan } from '../run/stage-plan.ts';
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

/** The planned work of one stage, and the cells that share it. */
type SharedStagePlan = StagePlan & { cells: string[] };

/** Lists the work of a run of these cells without running it; a stage that several cells share is listed once. */
async function planCells(
  cells: readonly Pick<MatrixPlan['cells'][number], 'name' | 'plan'>[],
  { adapter, ...range }: Range & { adapter?: string },
): Promise<SharedStagePlan[]> {
  const rows = new Map<string, SharedStagePlan>();
  const gpu = await deviceFor(rangeOf(cells[0].plan, range).upTo, adapter);
  try {
    for (const { name, plan } of cells) {
      for (const row of await planRun(plan, { ...range, gpu })) {
        const key = JSON.stringify([row.id, row.key, row.does, row.why]);
        rows.set(key, { cells: [], ...(rows.get(key) ?? row) });
        rows.get(key)!.cells.push(name);
      }
    }
  } finally {
    gpu.close();
  }
  return [...rows.values()];
}

/** `all 4 cells`, `wood-1` or `rococo-1 and 3 more`. */
function cellNames([first, ...more]: readonly string[], all: number): string {
  if (more.length + 1 === all && all > 1) return `all ${all} cells`;
  return more.length ? `${first} and ${more.length} more` : first;
}

function columns({ id, does, why, seconds, resumes }: StagePlan): string[] {
  const took = seconds === undefined ? '' : ` (took ${duration(seconds)})`;
  const from = resumes === undefined ? '' : `; resumes after step ${resumes}`;
  return [id, does, `${why}${took}${from}`];
}
