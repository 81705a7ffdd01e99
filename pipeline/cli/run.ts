import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { stages } from '../../stages/index.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { exitCodeOf } from '../exit.ts';
import type { Plan } from '../file/plan.ts';
import { readMatrix, readPipeline } from '../file/read.ts';
import { parseSlot } from '../matrix/slots.ts';
import type { RunEvent } from '../run/events.ts';
import { withPinnedModels } from '../run/models.ts';
import { repeatRun } from '../run/repeat.ts';
import { MANIFEST } from '../run/run-folder.ts';
import { type RunOptions, runPlan } from '../run/runner.ts';
import { foldersOf, type Range, rangeOf } from '../run/stage-plan.ts';
import { number, type PlanFlags, takeAdapter, whole, withPlanOptions } from './flags.ts';
import { printJson, quoted } from './format.ts';
import { interruptible } from './interruption.ts';
import { standardPrinter } from './progress.ts';

interface RunFlags extends PlanFlags {
  frozen?: string;
  jobs?: number;
  preview?: number;
}

/** The options that would change a repeated run. */
const NOT_FROZEN = ['set', 'from', 'until', 'store', 'cell', 'jobs'];

/** `splatline run FILE`. */
export function runCommand(): Command {
  const command = new Command('run')
    .description('Run a pipeline file and print where the results are.')
    .argument('[file]', 'a pipeline file (YAML)');
  const frozen = new Option('--frozen <run.json>', 'repeat an earlier run, and fail if a byte differs');
  return withPlanOptions(command)
    .addOption(frozen.conflicts(NOT_FROZEN))
    .option(
      '--preview <seconds>',
      'every so often, show a picture of the splat in splatline view; changes no byte',
      number(0),
    )
    .option('--jobs <n>', 'how many cells of the matrix run at a time', whole(1))
    .action((file: string | undefined, flags: RunFlags) =>
      withEvents(flags.json, (signal) => run(file, flags, signal)),
    );
}

async function run(file: string | undefined, flags: RunFlags, signal: AbortSignal): Promise<void> {
  const { set, cell, adapter, jobs, frozen, json, ...folders } = flags;
  const onEvent = json ? printJson : standardPrinter(signal);
  const settings = { ...folders, signal, onEvent };
  if (frozen !== undefined) {
    if (file !== undefined)
      throw new InputError('repeats a recorded run; remove the pipeline file', `--frozen ${frozen}`);
    const { compared } = await repeatRun(frozen, stages, { ...settings, adapter: takeAdapter(adapter) });
    if (json) printJson({ event: 'frozen', compared });
    else process.stdout.write(`${compared} tensors, pictures and files are identical\n`);
    return;
  }
  if (file === undefined)
    throw new InputError('expected a pipeline file, or --frozen with a run.json', 'run');
  const matrix = cell === undefined ? await readMatrix(file, { set, registry: stages }) : undefined;
  if (matrix) {
    const { runMatrix } = await import('../matrix/run.ts');
    for (const { plan } of matrix.cells) {
      await withPinnedModels(plan, { stages: rangeOf(plan, folders).upTo, fetch: { signal, onEvent } });
    }
    const slots = adapter?.map(parseSlot);
    const record = await runMatrix({ ...settings, matrix, set, jobs, slots, command: thisCommand() });
    const { writeMatrixReport } = await import('../report/write.ts');
    const file = await writeMatrixReport(foldersOf(matrix, folders).out, record);
    onEvent({ event: 'report', file, isNew: true });
    process.exitCode = record.exitCode; // the table has each cell's error
    return;
  }
  if (jobs !== undefined) throw new InputError('this run has a single cell: remove --jobs', file);
  const plan = await readPipeline(file, { set, cell, registry: stages });
  await runOne(plan, { ...settings, adapter: takeAdapter(adapter) });
}

/** Runs one plan, and writes its report. */
export async function runOne(
  plan: Plan,
  options: RunOptions & { onEvent(event: RunEvent): void },
): Promise<void> {
  try {
    await runPlan(plan, { ...options, command: thisCommand() });
  } finally {
    await report(plan, options, options.onEvent);
  }
}

/** Runs work of a command that prints events with `--json`. */
export async function withEvents(json: boolean | undefined, work: (signal: AbortSignal) => Promise<void>) {
  try {
    await interruptible(work);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (json) printJson({ event: 'error', message, exitCode: exitCodeOf(error) });
    throw error;
  }
}

/** Writes the report of a run that succeeded or failed. A report that cannot be written fails no run. */
async function report(plan: Plan, folders: Range, onEvent: (event: RunEvent) => void): Promise<void> {
  const { out } = foldersOf(plan, folders);
  if (!existsSync(join(out, MANIFEST))) return;
  try {
    const { writeRunReport } = await import('../report/write.ts');
    onEvent({ event: 'report', ...(await writeRunReport(out)) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    onEvent({ event: 'warn', stage: 'report', text: `the report could not be written: ${reason}` });
  }
}

/** The shell command of this process. */
function thisCommand(): string {
  return ['npx', 'splatline', ...process.argv.slice(2).map(quoted)].join(' ');
}
