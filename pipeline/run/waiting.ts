import { Stopped } from '../../stages/checkpoints.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import type { Checkpoints } from '../store/checkpoints.ts';

/** The result of `work`, or a GpuError as soon as the device is lost: work on a lost device may never end. */
export async function orDeviceLost<T>(gpu: Gpu, work: Promise<T>): Promise<T> {
  const lost = gpu.device.lost.then((): Promise<never> => {
    gpu.check();
    return new Promise(() => {}); // closed on purpose
  });
  lost.catch(() => {}); // only the race reports it
  return Promise.race([work, lost]);
}

/** The result of `work`, or Stopped at once when `signal` aborts, unless the stage stops by itself and saves first. */
export async function orStopped<T>(
  signal: AbortSignal | undefined,
  checkpoints: Checkpoints | undefined,
  work: Promise<T>,
): Promise<T> {
  if (!signal) return work;
  const stopped = new Promise<never>((_, reject) => {
    const onAbort = () => checkpoints?.isListening || reject(stoppedBy(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  stopped.catch(() => {}); // only the race reports it
  return Promise.race([work, stopped]);
}

/** The error of a run that was asked to stop; the signal's reason is its cause. */
export function stoppedBy({ reason }: AbortSignal): Stopped {
  return reason instanceof Stopped ? reason : new Stopped();
}
