import { Command, CommanderError } from 'commander';
import { GpuError, InputError } from '../../wgsl/core/index.ts';
import { packageVersion } from '../run/manifest.ts';
import { doctorCommand } from './doctor.ts';
import { runCommand } from './run.ts';
import { stagesCommand } from './stages.ts';

/** What a command of ours ends with. */
export const EXIT = { ok: 0, fault: 1, input: 2, gpu: 3, interrupted: 130, terminated: 143 } as const;

/** The command line. Sets the exit code: 2 where the user's input is at fault, 3 where the adapter is, 1 for our own faults. */
export async function main(args: readonly string[]): Promise<void> {
  // Handlers on 'exit' take away what is half-written.
  process.once('SIGINT', () => quit('interrupted', EXIT.interrupted));
  process.once('SIGTERM', () => quit('terminated', EXIT.terminated));
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.ok); // whoever read us (head, less) has had enough
  });
  const program = new Command('splatline')
    .description('From a capture to a restyled 3D Gaussian splat, a turntable and scores, on WebGPU.')
    .version(await packageVersion())
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .addCommand(runCommand())
    .addCommand(stagesCommand())
    .addCommand(doctorCommand());
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  // Commander has printed its own sentence; asking for help or the version is no mistake.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.input;
  if (error instanceof InputError || error instanceof GpuError) {
    process.stderr.write(`${error.message}\n`);
    return error instanceof InputError ? EXIT.input : EXIT.gpu;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.stderr.write('This is a fault of splatline itself: please report it with the lines above.\n');
  return EXIT.fault;
}

function quit(word: string, code: number): void {
  process.stderr.write(`\n${word}\n`);
  process.exit(code);
}
