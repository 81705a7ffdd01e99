import type { Gpu } from '../../wgsl/core/index.ts';

/** Steps between two marks on the queue, and marks that may lie ahead of the GPU. */
const MARK_EVERY = 4;
const MARKS_AHEAD = 4;
/** Part of what a step took that is slept through before its answer is asked for. */
const SLEPT = 0.8;

/** Keeps the host a few steps ahead of the GPU, and no more. */
export interface Pacer {
  /** After a step was submitted. */
  submitted(): Promise<void>;
  /** When all that was submitted is known to be done. */
  settled(): void;
}

export function pacerFor(gpu: Gpu): Pacer {
  return gpu.adapter.software ? new SleepingPacer(gpu) : new MarkingPacer(gpu);
}

/** Waits only to stay less than MARK_EVERY × MARKS_AHEAD steps ahead. */
class MarkingPacer implements Pacer {
  readonly #gpu: Gpu;
  #steps = 0;
  #marks: Promise<unknown>[] = [];

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  async submitted(): Promise<void> {
    if (this.#steps++ % MARK_EVERY) return;
    this.#marks.push(this.#gpu.device.queue.onSubmittedWorkDone());
    if (this.#marks.length > MARKS_AHEAD) await this.#marks.shift();
    this.#gpu.check();
  }

  settled(): void {
    this.#marks = [];
  }
}

/**
 * For software adapters: while an answer is awaited, Dawn's binding asks for it in every turn of Node's event loop, which
 * keeps a core busy that the driver could use. So most of a step is slept through before anything is awaited.
 */
class SleepingPacer implements Pacer {
  readonly #gpu: Gpu;
  /** The shortest of the last two steps, ms. */
  #took = 0;
  #last = 0;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  async submitted(): Promise<void> {
    const began = performance.now();
    const pause = SLEPT * Math.min(this.#took, this.#last);
    if (pause >= 1) await new Promise((resolve) => setTimeout(resolve, pause));
    await this.#gpu.device.queue.onSubmittedWorkDone();
    this.#took = this.#last;
    this.#last = performance.now() - began;
    this.#gpu.check();
  }

  settled(): void {}
}
