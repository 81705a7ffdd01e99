import { Command, InvalidArgumentError } from 'commander';
import { stages } from '../../stages/index.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { exitCodeOf } from '../exit.ts';
import { readMatrix, readPipeline } from '../file/read.ts';
import { runPlan } from '../run/runner.ts';
import { interruptible } from './interruption.ts';
import { collect, type RunFlags, takeAdapter, withPlaceOptions } from './place.ts';
import { progressPrinter } from './progress.ts';

/** `splatline run FILE`. */
export function runCommand(): Command {
  const command = new Command('run')
    .description('Run a pipeline file and print where the results are.')
    .argument('[file]', 'a pipeline file (YAML)');
  return withPlaceOptions(command)
    .option('--frozen <run.json>', 'do all of an earlier run again, and fail where a byte differs')
    .option('--cell <values>', 'only this cell of the matrix: its name, or prompt=rococo,seed=1')
    .option('--jobs <n>', 'cells of the matrix at a time', parseJobs)
    .option('--fail-fast', 'end the other cells of the matrix when one fails')
    .option(
      '--adapter <name>',
      'run on the adapter whose name has this in it; repeated, one for each job of the matrix',
      collect,
      [],
    )
    .option('--json', 'print one JSON line per event')
    .action(async (file: string | undefined, flags: RunFlags) => {
      const printJson = (event: unknown) => process.stdout.write(`${JSON.stringify(event)}\n`);
      try {
        await interruptible((signal) => run(file, flags, signal, flags.json ? printJson : undefined));
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (flags.json) printJson({ event: 'error', message, exitCode: exitCodeOf(error) });
        throw error;
      }
    });
}

async function run(
  file: string | undefined,
  flags: RunFlags,
  signal: AbortSignal,
  printJson?: (event: unknown) => void,
): Promise<void> {
  const { set, cell, adapter: adapters = [], from, until, out, store, frozen } = flags;
  const onEvent = printJson ?? progressPrinter(process.stdout);
  if (frozen !== undefined) {
    if (file !== undefined || set.length) {
      throw new InputError('repeats a run as it was; leave the file and --set out', `--frozen ${frozen}`);
    }
    const { repeatRun } = await import('../run/repeat.ts');
    const { compared } = await repeatRun(frozen, stages, {
      out,
      signal,
      onEvent,
      adapter: takeAdapter(adapters),
    });
    const text = `${compared} tensors, pictures and files are the same, to the byte`;
    if (printJson) printJson({ event: 'frozen', compared });
    else process.stdout.write(`${text}\n`);
    return;
  }
  if (file === undefined)
    throw new InputError('expected a pipeline file, or --frozen with a run.json', 'run');
  const matrix = cell === undefined ? await readMatrix(file, { set, registry: stages }) : undefined;
  if (matrix) {
    const { matrixPrinter, runCells } = await import('./matrix.ts');
    return runCells(matrix, flags, signal, printJson ?? matrixPrinter(process.stdout));
  }
  const plan = await readPipeline(file, { set, cell, registry: stages });
  const command = commandLine(process.argv.slice(2));
  await runPlan(plan, { from, until, out, store, adapter: takeAdapter(adapters), signal, onEvent, command });
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
