import { Command } from 'commander';
import { stages } from '../../stages/index.ts';
import { readPipeline } from '../file/read.ts';
import { runPlan } from '../run/runner.ts';
import { exitCodeOf } from './exit.ts';
import { progressPrinter } from './progress.ts';

interface RunFlags {
  set: string[];
  from?: string;
  until?: string;
  out?: string;
  json?: boolean;
}

/** `splatline run FILE`. */
export function runCommand(): Command {
  const collect = (value: string, before: string[]) => [...before, value];
  return new Command('run')
    .description('Run a pipeline file and print where the results are.')
    .argument('<file>', 'a pipeline file (YAML)')
    .option('--set <stage.option=value>', 'override a value of the file; may be repeated', collect, [])
    .option('--from <stage>', 'resume with this stage on what an earlier run saved')
    .option('--until <stage>', 'stop after this stage')
    .option('--out <folder>', 'write everything here instead of out/<name>')
    .option('--json', 'print one JSON line per event')
    .action(async (file: string, { set, json, ...flags }: RunFlags) => {
      const printJson = (event: unknown) => process.stdout.write(`${JSON.stringify(event)}\n`);
      try {
        const plan = await readPipeline(file, { set, registry: stages });
        await runPlan(plan, { ...flags, onEvent: json ? printJson : progressPrinter(process.stdout) });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (json) printJson({ event: 'error', message, exitCode: exitCodeOf(error) });
        throw error;
      }
    });
}
