import { Stopped } from '../../stages/checkpoints.ts';
import { EXIT, TERMINATED } from '../exit.ts';

/** What a signal that asks to stop is called, and what the process ends with. */
const SIGNALS = {
  SIGINT: { word: 'interrupted', code: EXIT.interrupted },
  SIGTERM: { word: TERMINATED, code: EXIT.terminated },
} as const;

let running: AbortController | undefined;
let asked: keyof typeof SIGNALS | undefined;

/** Ends the process at a signal: at once, or when work that is `interruptible` has saved what it has. */
export function watchSignals(): void {
  for (const name of Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]) {
    process.on(name, () => {
      const { word, code } = SIGNALS[name];
      if (asked || !running) {
        process.stderr.write(`\n${word}\n`);
        process.exit(code); // handlers on 'exit' take away what is half-written
      }
      asked = name;
      process.stderr.write(`\n${word}: saving what is done; once more ends at once\n`);
      running.abort(new Stopped(word));
    });
  }
}

/** Work that stops by itself soon after `signal` aborts. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  running = new AbortController();
  try {
    return await work(running.signal);
  } catch (error) {
    // A stage that stopped says where; the exit code is that of the signal.
    throw error instanceof Stopped && running.signal.aborted ? running.signal.reason : error;
  } finally {
    running = undefined;
  }
}
