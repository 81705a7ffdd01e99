import { Command, CommanderError } from 'commander';
import { Stopped } from '../../stages/checkpoints.ts';
import { EXIT, exitCodeOf } from '../exit.ts';
import { Regression } from '../regression.ts';
import { packageVersion } from '../run/manifest.ts';
import { doctorCommand } from './doctor.ts';
import { gcCommand } from './gc.ts';
import { goldenCommand } from './golden.ts';
import { watchSignals } from './interruption.ts';
import { planCommand } from './plan.ts';
import { runCommand } from './run.ts';
import { setupCommand } from './setup.ts';
import { stagesCommand } from './stages.ts';
import { verifyCommand } from './verify.ts';

/** The command line. Sets the exit code: 2 where the user's input is at fault, 3 where the adapter is, 1 for our own faults. */
export async function main(args: readonly string[]): Promise<void> {
  watchSignals();
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
    .addCommand(planCommand())
    .addCommand(verifyCommand())
    .addCommand(gcCommand())
    .addCommand(goldenCommand())
    .addCommand(stagesCommand())
    .addCommand(doctorCommand())
    .addCommand(setupCommand());
  for (const command of program.commands) command.exitOverride();
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    process.exitCode = report(error);
    // What a stage that was not asked is still doing must not keep the process.
    if (error instanceof Stopped) process.exit();
  }
}

/** Says what went wrong, in one sentence where it is not our own fault. Commander has printed its own already. */
function report(error: unknown): number {
  const code = exitCodeOf(error);
  if (error instanceof CommanderError) return code;
  if (error instanceof Stopped) return code; // the signal's handler has said so
  const text = error instanceof Error ? error.message : String(error);
  const ours = code === EXIT.fault && !(error instanceof Regression);
  const stack = error instanceof Error ? error.stack : undefined;
  process.stderr.write(`${ours ? (stack ?? text) : text}\n`);
  if (ours) {
    process.stderr.write('This is a fault of splatline itself: please report it with the lines above.\n');
  }
  return code;
}
