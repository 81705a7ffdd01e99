import type { Gpu } from '../../wgsl/core/index.ts';

/** Steps between two markers on the queue, and the number of markers that may be pending. */
interface Marks {
  every: number;
  pending: number;
}

const GPU_MARKS: Marks = { every: 4, pending: 4 };
/** A software adapter needs one step in reserve: it runs while the host records the next one. */
const CPU_MARKS: Marks = { every: 1, pending: 1 };

/** Keeps the host a bounded number of steps ahead of the GPU: less than `every` × (`pending` + 1). */
export class SubmissionThrottle {
  readonly #gpu: Gpu;
  readonly #marks: Marks;
  #steps = 0;
  #markers: Promise<unknown>[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    this.#marks = gpu.target === 'cpu' ? CPU_MARKS : GPU_MARKS;
  }

  /** Call after each submitted step. */
  async submitted(): Promise<void> {
    const { every, pending } = this.#marks;
    if (this.#steps++ % every) return;
    this.#markers.push(this.#gpu.device.queue.onSubmittedWorkDone());
    if (this.#markers.length > pending) await this.#markers.shift();
    this.#gpu.check();
  }

  /** Call when all submitted work is known to be done. */
  settled(): void {
    this.#markers = [];
  }
}
