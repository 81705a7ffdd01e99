import { Stopped } from '../../stages/checkpoints.ts';
import { exitCodeOf, SIGNALS } from '../exit.ts';

let running: AbortController | undefined;
let notice: string | undefined;

/** Ends the process at a signal: at once, or after work that is `interruptible` has saved a checkpoint. */
export function watchSignals(): void {
  for (const [name, word] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      if (!running || running.signal.aborted) {
        process.stderr.write(`\n${word}\n`);
        process.exit(exitCodeOf(new Stopped(word))); // handlers of 'exit' remove half-written files
      }
      running.abort(new Stopped(word)); // which releases the lines that progress rewrites
      if (notice) process.stderr.write(`\n${word}: ${notice}\n`);
    });
  }
}

/** Runs work that stops soon after `signal` aborts. Prints `stopping` then, unless it is empty. */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
  stopping = 'saving unfinished work; a second signal exits at once',
): Promise<T> {
  running = new AbortController();
  notice = stopping;
  try {
    return await work(running.signal);
  } catch (error) {
    // The stage's error has the step at which it stopped; the signal's reason gives the exit code.
    throw error instanceof Stopped && running.signal.aborted ? running.signal.reason : error;
  } finally {
    running = undefined;
  }
}
