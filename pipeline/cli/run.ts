import { Command, InvalidArgumentError } from 'commander';
import { stages } from '../../stages/index.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { exitCodeOf } from '../exit.ts';
import { type MatrixPlan, readMatrix, readPipeline } from '../file/read.ts';
import type { Range, StagePlan } from '../run/stage-plan.ts';
import { collect, type PlanFlags, type RunFlags, takeAdapter, withRangeOptions } from './flags.ts';
import { interruptible } from './interruption.ts';
import { duration, progressPrinter } from './progress.ts';

const print = (line: string) => process.stdout.write(`${line}\n`);
const printJson = (event: unknown) => print(JSON.stringify(event));

/** `splatline run FILE`. */
export function runCommand(): Command {
  const command = new Command('run')
    .description('Run a pipeline file and print where the results are.')
    .argument('[file]', 'a pipeline file (YAML)');
  return withRangeOptions(command)
    .option('--frozen <run.json>', 'run all of an earlier run again, and fail where a byte differs')
    .option('--jobs <n>', 'how many cells of the matrix run at a time', parseJobs)
    .option('--fail-fast', 'stop the other cells of the matrix when one fails')
    .option(
      '--adapter <name>',
      'run on the adapter with this in its name; repeated, one for each job of the matrix',
      collect,
      [],
    )
    .option('--json', 'print one JSON line per event')
    .action(async (file: string | undefined, flags: RunFlags) => {
      try {
        await interruptible((signal) => run(file, flags, signal));
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (flags.json) printJson({ event: 'error', message, exitCode: exitCodeOf(error) });
        throw error;
      }
    });
}

async function run(file: string | undefined, flags: RunFlags, signal: AbortSignal): Promise<void> {
  const { set, cell, adapter: adapters, from, until, out, store, frozen, json } = flags;
  if (frozen !== undefined && (file !== undefined || set.length)) {
    throw new InputError('repeats a run as it was; leave the file and --set out', `--frozen ${frozen}`);
  }
  if (frozen !== undefined) return repeat(frozen, flags, signal);
  if (file === undefined) {
    throw new InputError('expected a pipeline file, or --frozen with a run.json', 'run');
  }
  const matrix = cell === undefined ? await readMatrix(file, { set, registry: stages }) : undefined;
  if (matrix) {
    const { matrixPrinter, runCells } = await import('./matrix.ts');
    return runCells(matrix, flags, signal, json ? printJson : matrixPrinter(process.stdout));
  }
  const plan = await readPipeline(file, { set, cell, registry: stages });
  const command = commandLine(process.argv.slice(2));
  const adapter = takeAdapter(adapters);
  const onEvent = json ? printJson : progressPrinter(process.stdout);
  const { runPlan } = await import('../run/runner.ts');
  await runPlan(plan, { from, until, out, store, adapter, signal, onEvent, command });
}

async function repeat(frozen: string, { out, adapter, json }: RunFlags, signal: AbortSignal): Promise<void> {
  const onEvent = json ? printJson : progressPrinter(process.stdout);
  const { repeatRun } = await import('../run/repeat.ts');
  const { compared } = await repeatRun(frozen, stages, {
    out,
    signal,
    onEvent,
    adapter: takeAdapter(adapter),
  });
  if (json) printJson({ event: 'frozen', compared });
  else print(`${compared} tensors, pictures and files are the same, to the byte`);
}

/** What a shell takes to repeat this command. */
function commandLine(args: readonly string[]): string {
  const quoted = args.map((arg) =>
    /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`,
  );
  return ['npx', 'splatline', ...quoted].join(' ');
}

function parseJobs(text: string): number {
  const jobs = Number(text);
  if (!Number.isInteger(jobs) || jobs < 1) throw new InvalidArgumentError('expected a number above 0');
  return jobs;
}

/** `splatline plan FILE`. */
export function planCommand(): Command {
  const command = new Command('plan')
    .description('Say which stages of a pipeline file would run, which are saved, and why.')
    .argument('<file>', 'a pipeline file (YAML)');
  return withRangeOptions(command)
    .option('--adapter <name>', 'run on the adapter with this in its name')
    .option('--json', 'print one JSON line per stage')
    .action(async (file: string, { set, cell, json, adapter, ...range }: PlanFlags) => {
      const place = { ...range, adapter: takeAdapter(adapter === undefined ? [] : [adapter]) };
      const matrix = cell === undefined ? await readMatrix(file, { set, registry: stages }) : undefined;
      if (matrix) return printMatrixPlan(matrix, place, json);
      const plan = await readPipeline(file, { set, cell, registry: stages });
      const { planRun } = await import('../run/stage-plan.ts');
      const rows = await planRun(plan, place);
      for (const row of rows) print(json ? JSON.stringify(row) : planLine(row, rows));
    });
}

async function printMatrixPlan(
  matrix: MatrixPlan,
  place: Range & { adapter?: string },
  json?: boolean,
): Promise<void> {
  const { planMatrix } = await import('../matrix/plan.ts');
  const { cellNames } = await import('./matrix.ts');
  const rows = await planMatrix(matrix, place);
  const names = rows.map(({ cells }) => cellNames(cells, matrix.cells.length));
  const width = Math.max(...names.map((name) => name.length));
  for (const [index, row] of rows.entries()) {
    print(json ? JSON.stringify(row) : `${names[index].padEnd(width)}  ${planLine(row, rows)}`);
  }
}

function planLine({ id, does, why, seconds, resumes }: StagePlan, rows: readonly StagePlan[]): string {
  const width = Math.max(...rows.map((row) => row.id.length));
  const took = seconds === undefined ? '' : ` (took ${duration(seconds)})`;
  const from = resumes === undefined ? '' : `; resumes after step ${resumes}`;
  return `${id.padEnd(width)}  ${does.padEnd(6)}  ${why}${took}${from}`;
}
