import type { Gpu } from '../../wgsl/core/index.ts';

/** Steps between two markers on the queue, and the number of markers that may be pending. */
const MARK_EVERY = 4;
const PENDING_MARKERS = 4;
/** Share of a step's duration that is slept before the queue is polled. */
const SLEEP_SHARE = 0.8;

/** Keeps the host a bounded number of steps ahead of the GPU. */
export interface SubmissionThrottle {
  /** Call after each submitted step. */
  submitted(): Promise<void>;
  /** Call when all submitted work is known to be done. */
  settled(): void;
}

export function createThrottle(gpu: Gpu): SubmissionThrottle {
  return gpu.target === 'cpu' ? new SleepThrottle(gpu) : new MarkerThrottle(gpu);
}

/** Waits only to stay less than MARK_EVERY × PENDING_MARKERS steps ahead. */
class MarkerThrottle implements SubmissionThrottle {
  readonly #gpu: Gpu;
  #steps = 0;
  #markers: Promise<unknown>[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  async submitted(): Promise<void> {
    if (this.#steps++ % MARK_EVERY) return;
    this.#markers.push(this.#gpu.device.queue.onSubmittedWorkDone());
    if (this.#markers.length > PENDING_MARKERS) await this.#markers.shift();
    this.#gpu.check();
  }

  settled(): void {
    this.#markers = [];
  }
}

/**
 * For software adapters: while a promise of the queue is pending, Dawn's binding polls for it in every turn of Node's event
 * loop, which occupies a core that the driver could use. So the host sleeps through most of a step before it waits.
 */
class SleepThrottle implements SubmissionThrottle {
  readonly #gpu: Gpu;
  /** Durations of the last two steps, ms. */
  #previous = 0;
  #last = 0;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  async submitted(): Promise<void> {
    const began = performance.now();
    const pause = SLEEP_SHARE * Math.min(this.#previous, this.#last);
    if (pause >= 1) await new Promise((resolve) => setTimeout(resolve, pause));
    await this.#gpu.device.queue.onSubmittedWorkDone();
    this.#previous = this.#last;
    this.#last = performance.now() - began;
    this.#gpu.check();
  }

  settled(): void {}
}
