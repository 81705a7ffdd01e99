import { existsSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { Stopped } from '../../stages/checkpoints.ts';
import { EXIT, exitCodeOf, Regression } from '../exit.ts';
import { packageVersion } from '../run/manifest.ts';
import { verifyRun } from '../run/verify.ts';
import { convertCommand } from './convert.ts';
import { diffCommand } from './diff.ts';
import { restyleCommand, trainCommand } from './direct.ts';
import { gcCommand } from './gc.ts';
import { goldenCommand } from './golden.ts';
import { watchSignals } from './interruption.ts';
import { modelsCommand } from './models.ts';
import { newCommand } from './new.ts';
import { planCommand } from './plan.ts';
import { reportCommand } from './report.ts';
import { runCommand } from './run.ts';
import { runsCommand } from './runs.ts';
import { stagesCommand } from './stages.ts';
import { viewCommand } from './view.ts';

/** The command line. Sets the exit code: 2 for the user's mistakes, 3 for the adapter's failures, 1 for bugs. */
export async function main(args: readonly string[]): Promise<void> {
  watchSignals();
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.unread); // the reader (head, less) has closed the pipe
  });
  const program = new Command('splatline')
    .description('From a capture to a restyled 3D Gaussian splat, a turntable and scores, on WebGPU.')
    .version(await packageVersion())
    .exitOverride()
    .addCommand(runCommand())
    .addCommand(planCommand())
    .addCommand(newCommand())
    .addCommand(trainCommand())
    .addCommand(restyleCommand())
    .addCommand(runsCommand())
    .addCommand(diffCommand())
    .addCommand(convertCommand())
    .addCommand(reportCommand())
    .addCommand(viewCommand())
    .addCommand(verifyCommand())
    .addCommand(gcCommand())
    .addCommand(goldenCommand())
    .addCommand(stagesCommand())
    .addCommand(modelsCommand())
    .addCommand(doctorCommand())
    .addCommand(setupCommand());
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    process.exitCode = report(error);
    // A stage that does not check for a stop may still be at work; it must not keep the process alive.
    if (error instanceof Stopped) process.exit();
  }
}

function verifyCommand(): Command {
  return new Command('verify')
    .description('Hash all results of a run again, in its folder and in the store, against its run.json.')
    .argument('<run>', "a run's folder, or its run.json")
    .option('--store <folder>', 'the store, if it has moved since the run')
    .action(async (run: string, { store }: { store?: string }) => {
      const { files, entries, damaged, missing } = await verifyRun(run, { store });
      const lines = [
        ...damaged.map(({ path, fault }) => `${path}: ${fault}`),
        ...missing.map((id) => `${id}: its saved work is not in the store`),
        `${files} files in the folder and ${entries} entries of the store checked`,
      ];
      process.stdout.write(`${lines.join('\n')}\n`);
      if (!damaged.length) return;
      const count = `${damaged.length} ${damaged.length > 1 ? 'files are' : 'file is'}`;
      throw new Regression(`${count} damaged; run the pipeline again to restore them`);
    });
}

function doctorCommand(): Command {
  return new Command('doctor')
    .description('Show what this machine offers, what is missing and how to fix it.')
    .argument('[model...]', 'CLIP models to check: folders or names')
    .option('--json', 'print JSON')
    .action(async (models: string[], { json }: { json?: boolean }) => {
      const { doctor } = await import('./doctor.ts');
      await doctor(models, json);
    });
}

/** `npm start` does the same first in a checkout. In an installed package it installs only the adapter. */
function setupCommand(): Command {
  return new Command('setup')
    .description('Install a software WebGPU adapter where this machine offers none (Debian, Ubuntu).')
    .action(async () => {
      const { setUp } = await import('../setup.mjs');
      await setUp();
    });
}

/** Prints an error, with its stack if it is a bug. Commander and the handlers of signals have printed their own. */
function report(error: unknown): number {
  const code = exitCodeOf(error);
  if (error instanceof CommanderError || error instanceof Stopped) return code;
  const { message, stack = message } = error instanceof Error ? error : new Error(String(error));
  const isBug = code === EXIT.fault && !(error instanceof Regression);
  const lines = isBug
    ? [sourceStack(stack), 'This is a bug in splatline: please report it with the lines above.']
    : [message];
  process.stderr.write(`${lines.join('\n')}\n`);
  return code;
}

/** A stack that names the TypeScript sources. Node's own option would read all source maps at the start. */
function sourceStack(stack: string): string {
  return stack.replace(/(file:[^\s()]+\/dist\/[\w-]+\.js):(\d+):(\d+)/g, (place, module, line, column) => {
    const map = new URL(`${module}.map`);
    if (!existsSync(map)) return place;
    const entry = new SourceMap(JSON.parse(readFileSync(map, 'utf8'))).findEntry(line - 1, column - 1);
    if (!('originalSource' in entry)) return place;
    const { originalSource, originalLine, originalColumn } = entry;
    return `${fileURLToPath(new URL(originalSource, map))}:${originalLine + 1}:${originalColumn + 1}`;
  });
}
