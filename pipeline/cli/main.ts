import { Command, CommanderError } from 'commander';
import { packageVersion } from '../run/manifest.ts';
import { doctorCommand } from './doctor.ts';
import { EXIT, exitCodeOf } from './exit.ts';
import { runCommand } from './run.ts';
import { setupCommand } from './setup.ts';
import { stagesCommand } from './stages.ts';

/** The command line. Sets the exit code: 2 where the user's input is at fault, 3 where the adapter is, 1 for our own faults. */
export async function main(args: readonly string[]): Promise<void> {
  // Handlers on 'exit' take away what is half-written.
  process.once('SIGINT', () => quit('interrupted', EXIT.interrupted));
  process.once('SIGTERM', () => quit('terminated', EXIT.terminated));
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.unread); // whoever read us (head, less) has had enough
  });
  const program = new Command('splatline')
    .description('From a capture to a restyled 3D Gaussian splat, a turntable and scores, on WebGPU.')
    .version(await packageVersion())
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .addCommand(runCommand())
    .addCommand(stagesCommand())
    .addCommand(doctorCommand())
    .addCommand(setupCommand());
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Says what went wrong, in one sentence where it is not our own fault. Commander has printed its own already. */
function report(error: unknown): number {
  const code = exitCodeOf(error);
  if (error instanceof CommanderError) return code;
  const text = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? error.stack : undefined;
  process.stderr.write(`${code === EXIT.fault ? (stack ?? text) : text}\n`);
  if (code === EXIT.fault) {
    process.stderr.write('This is a fault of splatline itself: please report it with the lines above.\n');
  }
  return code;
}

function quit(word: string, code: number): void {
  process.stderr.write(`\n${word}\n`);
  process.exit(code);
}
