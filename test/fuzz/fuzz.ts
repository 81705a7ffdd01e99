import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { scratchFolder } from '../helpers/scratch.ts';

export interface Outcome {
  /** Of the case: with the seed, it repeats the case. */
  index: number;
  target: string;
  /** The reader loaded the file, refused it as it should, or is at fault. */
  verdict: 'loaded' | 'refused' | 'fault';
  fault?: string;
  message?: string;
  milliseconds: number;
  /** The rise of the resident memory, MB. */
  megabytes: number;
}

/** Milliseconds after which a case hangs. */
const HANG = 10_000;

/**
 * Runs cases in another process, which is replaced when one of them kills or hangs it. `cases`: their numbers, from that of the targets;
 * case −1 is the whole input of the first target.
 */
export async function* fuzz(
  seed: number,
  cases: (targets: number) => Iterable<number>,
): AsyncGenerator<Outcome> {
  const folder = scratchFolder();
  const { targets, ...started } = await start(seed, folder);
  let child: ChildProcess | undefined = started.child;
  try {
    for (const index of cases(targets)) {
      child ??= (await start(seed, folder)).child;
      const outcome = await ask(child, index);
      if (typeof outcome === 'string') {
        child.kill('SIGKILL');
        child = undefined;
        const { targetOf } = await import('./cases.ts');
        const about = { index, target: targetOf(index).name, milliseconds: HANG, megabytes: 0 };
        yield { ...about, verdict: 'fault', fault: outcome };
      } else yield outcome;
    }
  } finally {
    child?.kill('SIGKILL');
  }
}

interface Started {
  child: ChildProcess;
  targets: number;
}

async function start(seed: number, folder: string): Promise<Started> {
  const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [String(seed), folder], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const targets = await new Promise<number>((resolve, reject) => {
    child.once('message', (count) => resolve(Number(count)));
    child.once('exit', (code) => reject(new Error(`the process of the cases ended with ${code}`)));
  });
  child.removeAllListeners('exit');
  return { child, targets };
}

/** The outcome of a case, or how the process ended. */
function ask(child: ChildProcess, index: number): Promise<Outcome | string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => finish(`hangs for ${HANG / 1000} s`), HANG);
    const finish = (outcome: Outcome | string) => {
      clearTimeout(timer);
      child.removeAllListeners();
      resolve(outcome);
    };
    child.once('message', (outcome) => finish(outcome as Outcome));
    child.once('exit', (code, signal) => finish(`ended its process with ${signal ?? code}`));
    child.send(index);
  });
}
