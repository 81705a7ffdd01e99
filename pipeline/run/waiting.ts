import { Stopped } from '../../stages/checkpoints.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import type { Holder } from '../store/locks.ts';
import type { Keeper } from './keeper.ts';

/** The work, or a GpuError as soon as the device is lost: work that waits for a lost device may never end. */
export async function orDeviceLost<T>(gpu: Gpu, work: Promise<T>): Promise<T> {
  const lost = gpu.device.lost.then((): Promise<never> => {
    gpu.check();
    return new Promise(() => {}); // closed on purpose
  });
  lost.catch(() => {}); // the race reports it; after the race nobody listens
  return Promise.race([work, lost]);
}

/** The work, or Stopped at once when asked to, unless the stage itself is listening and has something to save. */
export async function orStopped<T>(
  signal: AbortSignal | undefined,
  keeper: Keeper | undefined,
  work: Promise<T>,
): Promise<T> {
  if (!signal) return work;
  let onAbort = () => {};
  const stopped = new Promise<never>((_, reject) => {
    onAbort = () => {
      if (!keeper?.listening) reject(stoppedBy(signal));
    };
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
  stopped.catch(() => {});
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** What a run that was asked to stop ends with: the signal's own reason says who asked. */
export function stoppedBy({ reason }: AbortSignal): Stopped {
  return reason instanceof Stopped ? reason : new Stopped();
}

/** Who somebody waits for, in words. */
export function holderWords({ pid, host, here }: Holder): string {
  if (pid === undefined) return 'another process';
  return here ? `process ${pid}` : `process ${pid} on ${host}`;
}
