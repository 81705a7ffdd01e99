import type { Ledger } from './ledger.ts';

/** GPU time of all calls of one kernel. */
export interface SpanTotal {
  /** Label of the kernel. */
  label: string;
  calls: number;
  totalMs: number;
}

/**
 * GPU time by kernel label, from timestamps around every pass of one recorder at a time. Set it as `Gpu.profiler`; after each
 * submission call `collect`. Needs the feature `timestamp-query`.
 */
export class Profiler {
  /** Counts the bytes of its readbacks; setting `Gpu.profiler` sets it. */
  ledger?: Ledger;
  readonly #device: GPUDevice;
  readonly #set: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #staging: GPUBuffer;
  readonly #capacity: number;
  readonly #totals = new Map<string, SpanTotal>();
  #labels: string[] = [];

  /** `capacity`: maximum number of kernels in one recorder; it does not measure further ones. @throws Error without `timestamp-query`. */
  constructor(device: GPUDevice, capacity = 2048) {
    if (!device.features.has('timestamp-query')) throw new Error('this adapter offers no timestamp queries');
    this.#device = device;
    this.#capacity = capacity;
    this.#set = device.createQuerySet({ label: 'core/profiler', type: 'timestamp', count: capacity * 2 });
    const size = capacity * 16;
    this.#resolved = device.createBuffer({
      label: 'core/profiler/resolved',
      size,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    this.#staging = device.createBuffer({
      label: 'core/profiler/staging',
      size,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
  }

  /** The timestamps of the next pass; the recorder calls it. Undefined beyond the capacity. */
  span(label: string): GPUComputePassTimestampWrites | undefined {
    if (this.#labels.length >= this.#capacity) return undefined;
    const index = this.#labels.push(label) - 1;
    return {
      querySet: this.#set,
      beginningOfPassWriteIndex: 2 * index,
      endOfPassWriteIndex: 2 * index + 1,
    };
  }

  /** Records the copy of the timestamps; the recorder calls it. */
  resolve(encoder: GPUCommandEncoder): void {
    if (!this.#labels.length) return;
    encoder.resolveQuerySet(this.#set, 0, this.#labels.length * 2, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, this.#labels.length * 16);
  }

  /** Reads the spans of the recorder that was submitted last and adds them to the totals. Waits for the GPU. */
  async collect(): Promise<void> {
    const bytes = 16 * this.#labels.length;
    if (!bytes) return;
    await this.#device.queue.onSubmittedWorkDone();
    await this.#staging.mapAsync(GPUMapMode.READ, 0, bytes);
    const times = new BigUint64Array(this.#staging.getMappedRange(0, bytes).slice(0));
    this.#staging.unmap();
    this.ledger?.add('down', 'metrics', bytes);
    this.#labels.forEach((label, i) => {
      const row = this.#totals.get(label) ?? { label, calls: 0, totalMs: 0 };
      row.calls++;
      row.totalMs += Number(times[2 * i + 1] - times[2 * i]) / 1e6;
      this.#totals.set(label, row);
    });
    this.#labels = [];
  }

  /** Totals by label, the longest first. */
  totals(): SpanTotal[] {
    return [...this.#totals.values()].sort((a, b) => b.totalMs - a.totalMs);
  }

  /** Frees its buffers. Unset `Gpu.profiler` first. */
  destroy(): void {
    this.#set.destroy();
    this.#resolved.destroy();
    this.#staging.destroy();
  }
}
