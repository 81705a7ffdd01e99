import type { Ledger } from './ledger.ts';

/** When the GPU began and ended a submission, in ms from the first one's begin. */
export interface SubmissionTime {
  beginMs: number;
  endMs: number;
}

/** WebGPU's limit on the queries of a set. */
const MAX_QUERIES = 4096;

/**
 * The GPU time of whole submissions, without changing how they are recorded: an empty pass with one timestamp before the first
 * command and one after the last. The GPU writes a timestamp when all earlier work is done, so a submission begins where the previous
 * one ended or, on an idle GPU, when the GPU reaches it. `Profiler` measures the time by kernel instead, with a higher overhead.
 */
export class SubmissionClock {
  /** Counts the bytes of its readbacks; setting it on a `Gpu` sets it. */
  ledger?: Ledger;
  readonly #device: GPUDevice;
  readonly #set: GPUQuerySet;
  #queries = 0;

  constructor(device: GPUDevice) {
    if (!device.features.has('timestamp-query')) throw new Error('this adapter offers no timestamp queries');
    this.#device = device;
    this.#set = device.createQuerySet({ label: 'core/clock', type: 'timestamp', count: MAX_QUERIES });
  }

  /** Submissions that it can hold between two calls of `collect`. */
  static readonly CAPACITY = MAX_QUERIES / 2;

  /** A recorder calls this before its first command and after its last. */
  mark(encoder: GPUCommandEncoder): void {
    if (this.#queries === MAX_QUERIES) {
      throw new Error(
        `the clock holds ${SubmissionClock.CAPACITY} submissions: collect them before more are recorded`,
      );
    }
    const timestampWrites = { querySet: this.#set, endOfPassWriteIndex: this.#queries++ };
    encoder.beginComputePass({ label: 'core/clock', timestampWrites }).end();
  }

  /** The submissions since the last call, in order; all recorded commands must be submitted. Waits for the GPU. */
  async collect(): Promise<SubmissionTime[]> {
    const count = this.#queries;
    if (!count) return [];
    const bytes = 8 * count;
    const resolved = this.#device.createBuffer({
      label: 'core/clock/resolved',
      size: bytes,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const staging = this.#device.createBuffer({
      label: 'core/clock/staging',
      size: bytes,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    try {
      const encoder = this.#device.createCommandEncoder({ label: 'core/clock' });
      encoder.resolveQuerySet(this.#set, 0, count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
      this.#device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const times = new BigUint64Array(staging.getMappedRange().slice(0));
      this.ledger?.add('down', 'metrics', bytes);
      this.#queries = 0;
      const ms = (i: number) => Number(times[i] - times[0]) / 1e6;
      return Array.from({ length: count / 2 }, (_, i) => ({ beginMs: ms(2 * i), endMs: ms(2 * i + 1) }));
    } finally {
      resolved.destroy();
      staging.destroy();
    }
  }

  destroy(): void {
    this.#set.destroy();
  }
}
