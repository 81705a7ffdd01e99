import { Command } from 'commander';
import { stages } from '../../stages/index.ts';
import { readMatrix, readPipeline } from '../file/read.ts';
import type { MatrixOutlook } from '../matrix/plan.ts';
import type { Outlook } from '../run/outlook.ts';
import { cellNames } from './matrix.ts';
import { type PlaceFlags, takeAdapter, withPlaceOptions } from './place.ts';
import { duration } from './progress.ts';

/** `splatline plan FILE`. */
export function planCommand(): Command {
  const command = new Command('plan')
    .description('Say which stages of a pipeline file would run, which are saved, and why.')
    .argument('<file>', 'a pipeline file (YAML)');
  return withPlaceOptions(command)
    .option('--cell <values>', 'one cell of the matrix: its name, or prompt=rococo,seed=1')
    .option('--adapter <name>', 'run on the adapter whose name has this in it')
    .option('--json', 'print one JSON line per stage')
    .action(async (file: string, { set, cell, json, adapter, ...range }: PlanFlags) => {
      const place = { ...range, adapter: takeAdapter(adapter === undefined ? [] : [adapter]) };
      const print = (line: string) => process.stdout.write(`${line}\n`);
      const matrix = cell === undefined ? await readMatrix(file, { set, registry: stages }) : undefined;
      if (matrix) {
        const { planMatrix } = await import('../matrix/plan.ts');
        const rows = await planMatrix(matrix, place);
        const names = (row: MatrixOutlook) => cellNames(row.cells, matrix.cells.length);
        const width = Math.max(...rows.map((row) => names(row).length));
        for (const row of rows)
          print(json ? JSON.stringify(row) : `${names(row).padEnd(width)}  ${lineOf(row, rows)}`);
        return;
      }
      const plan = await readPipeline(file, { set, cell, registry: stages });
      const { planRun } = await import('../run/outlook.ts');
      const rows = await planRun(plan, place);
      for (const row of rows) print(json ? JSON.stringify(row) : lineOf(row, rows));
    });
}

interface PlanFlags extends Omit<PlaceFlags, 'adapter'> {
  cell?: string;
  adapter?: string;
  json?: boolean;
}

function lineOf({ id, does, why, seconds, resumes }: Outlook, rows: readonly Outlook[]): string {
  const width = Math.max(...rows.map((row) => row.id.length));
  const took = seconds === undefined ? '' : ` (took ${duration(seconds)})`;
  const from = resumes === undefined ? '' : `; goes on after step ${resumes}`;
  return `${id.padEnd(width)}  ${does.padEnd(6)}  ${why}${took}${from}`;
}
