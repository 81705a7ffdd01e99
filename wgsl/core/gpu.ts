import { GpuError, SMALLER } from './errors.ts';
import { Kernel, type KernelSpec } from './kernel.ts';
import { Ledger, type Purpose } from './ledger.ts';
import type { Profiler } from './profiler.ts';
import { Recorder } from './recorder.ts';
import type { SubmissionClock } from './submission-clock.ts';

/** What the adapter says of itself; part of every result's provenance. */
export interface AdapterReport {
  vendor: string;
  architecture: string;
  device: string;
  description: string;
  features: string[];
  subgroupMinSize: number;
  subgroupMaxSize: number;
  /**
   * A CPU behind a software driver: kernels choose other shapes for it. Sorts and scans give the same bits in every shape;
   * sums of floats (matrix products, tiles) are taken in another order, and agree to rounding.
   */
  software: boolean;
  /** The model of the CPU behind a software driver, where it can be told: the driver compiles for the CPU that it meets. */
  cpu?: string;
}

/** A typed array that can be uploaded. */
export type Data = Float32Array | Uint32Array | Int32Array | Uint8Array | Uint16Array | ArrayBuffer;

/** Uploads and readbacks pass through the host in pieces: no driver is asked for staging as large as a scene. */
const PIECE_BYTES = 2 ** 26;

/**
 * A WebGPU device with what every engine here needs: kernels cached by source, labelled and counted buffers, and the
 * transfer ledger. It takes any `GPUDevice`; `openGpu` (open.ts) makes one.
 */
export class Gpu {
  readonly device: GPUDevice;
  readonly adapter: AdapterReport;
  /** Most bytes of a buffer of rows that a kernel sees at a time: see `rowWindows`. */
  readonly windowBytes: number;
  readonly ledger = new Ledger();
  /** Bytes of all live buffers made here, now and at most. */
  liveBytes = 0;
  peakBytes = 0;
  readonly #kernels = new Map<string, Promise<Kernel>>();
  #profiler?: Profiler;
  #clock?: SubmissionClock;
  #failure?: GpuError;
  #closing = false;

  constructor(
    device: GPUDevice,
    adapter: AdapterReport,
    windowBytes = device.limits.maxStorageBufferBindingSize,
  ) {
    this.device = device;
    this.adapter = adapter;
    this.windowBytes = windowBytes;
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault?.();
      this.#failure ??= this.#reported(event.error);
    });
    device.lost.then((info) => {
      if (!this.#closing) this.#failure ??= new GpuError(`the GPU device was lost: ${info.message}`);
    });
  }

  /** Set to measure GPU time by kernel: each recorded kernel then has a pass of its own. */
  get profiler(): Profiler | undefined {
    return this.#profiler;
  }
  set profiler(profiler: Profiler | undefined) {
    this.#profiler = profiler;
    if (profiler) profiler.ledger = this.ledger;
  }

  /** Set to measure when the GPU begins and ends each submission. */
  get clock(): SubmissionClock | undefined {
    return this.#clock;
  }
  set clock(clock: SubmissionClock | undefined) {
    this.#clock = clock;
    if (clock) clock.ledger = this.ledger;
  }

  /** Invocations of every subgroup where the adapter has subgroups of one size, otherwise 0. */
  get subgroupSize(): number {
    const { subgroupMinSize, subgroupMaxSize } = this.adapter;
    return this.has('subgroups') && subgroupMinSize === subgroupMaxSize ? subgroupMaxSize : 0;
  }

  has(feature: GPUFeatureName): boolean {
    return this.device.features.has(feature);
  }

  /** Throws the first error that the device reported on its own. Called wherever results leave the GPU. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /**
   * A zeroed storage buffer, which may be larger than one binding (`rowWindows`). `usage` adds to STORAGE | COPY_SRC |
   * COPY_DST. The maker destroys it (see `Arena`).
   */
  buffer(label: string, bytes: number, usage = 0): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 4) * 4);
    const { maxBufferSize } = this.device.limits;
    if (size > maxBufferSize) {
      throw new GpuError(
        `${label} needs ${size} bytes in one buffer; this adapter allows ${maxBufferSize}. ${SMALLER}`,
      );
    }
    const buffer = this.device.createBuffer({
      label,
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST | usage,
    });
    this.liveBytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    const destroy = buffer.destroy.bind(buffer);
    let live = true;
    buffer.destroy = () => {
      if (live) this.liveBytes -= size;
      live = false;
      return destroy();
    };
    return buffer;
  }

  /** A uniform buffer of the given size. */
  uniform(label: string, bytes: number): GPUBuffer {
    return this.buffer(label, bytes, GPUBufferUsage.UNIFORM);
  }

  /** A new buffer that holds `data`. */
  upload(label: string, data: Data, purpose: Purpose, usage = 0): GPUBuffer {
    const buffer = this.buffer(label, data.byteLength, usage);
    this.write(buffer, data, purpose);
    return buffer;
  }

  write(buffer: GPUBuffer, data: Data, purpose: Purpose, offset = 0): void {
    let bytes = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data);
    if (bytes.byteLength % 4) {
      const padded = new Uint8Array(Math.ceil(bytes.byteLength / 4) * 4);
      padded.set(bytes);
      bytes = padded;
    }
    for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
      this.device.queue.writeBuffer(buffer, offset + at, bytes.subarray(at, at + PIECE_BYTES));
    }
    this.ledger.add('up', purpose, data.byteLength);
  }

  /**
   * Reads a buffer back; waits for the GPU. Throws what the device reported until then. What is larger than PIECE_BYTES comes
   * in pieces: whoever submits work that writes the buffer meanwhile gets some of it.
   */
  async read(buffer: GPUBuffer, purpose: Purpose, bytes = buffer.size, offset = 0): Promise<ArrayBuffer> {
    if (!bytes) {
      await this.settle();
      return new ArrayBuffer(0);
    }
    const size = Math.min(PIECE_BYTES, Math.ceil(bytes / 4) * 4);
    const staging = this.device.createBuffer({
      label: `${buffer.label}/staging`,
      size,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    try {
      const copy = new Uint8Array(bytes);
      for (let at = 0; at < bytes; at += size) {
        const piece = Math.min(size, bytes - at);
        const encoder = this.device.createCommandEncoder({ label: 'core/read' });
        encoder.copyBufferToBuffer(buffer, offset + at, staging, 0, Math.ceil(piece / 4) * 4);
        this.device.queue.submit([encoder.finish()]);
        await staging.mapAsync(GPUMapMode.READ);
        copy.set(new Uint8Array(staging.getMappedRange(), 0, piece), at);
        staging.unmap();
      }
      this.ledger.add('down', purpose, bytes);
      this.check();
      return copy.buffer;
    } catch (error) {
      // What the device reported on its own explains the failed mapping.
      this.check();
      throw error;
    } finally {
      staging.destroy();
    }
  }

  async readFloats(buffer: GPUBuffer, purpose: Purpose, count?: number): Promise<Float32Array> {
    return new Float32Array(await this.read(buffer, purpose, count === undefined ? undefined : 4 * count));
  }

  async readWords(buffer: GPUBuffer, purpose: Purpose, count?: number): Promise<Uint32Array> {
    return new Uint32Array(await this.read(buffer, purpose, count === undefined ? undefined : 4 * count));
  }

  /** The compiled kernel; one compile per distinct spec. */
  kernel(spec: KernelSpec): Promise<Kernel> {
    const key = JSON.stringify([spec.source.href, spec.entry, spec.enables, spec.constants]);
    let kernel = this.#kernels.get(key);
    if (!kernel) this.#kernels.set(key, (kernel = Kernel.compile(this.device, spec)));
    return kernel;
  }

  recorder(label: string): Recorder {
    return new Recorder(this.device, label, this.profiler, this.clock);
  }

  submit(recorder: Recorder): void {
    this.device.queue.submit([recorder.finish()]);
  }

  /** Records and submits in one go. */
  run(label: string, record: (recorder: Recorder) => void): void {
    const recorder = this.recorder(label);
    record(recorder);
    this.submit(recorder);
  }

  /** Waits for all submitted work; throws what the device reported until then. */
  async settle(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone();
    this.check();
  }

  arena(label: string): Arena {
    return new Arena(this, label);
  }

  #reported(error: GPUError): GpuError {
    // A browser or Deno has the class as a global, in Node `openGpu` puts it there.
    if (!(error instanceof GPUOutOfMemoryError))
      return new GpuError(`the GPU reported an error: ${error.message}`);
    const held = (this.liveBytes / 2 ** 30).toFixed(1);
    return new GpuError(
      `the GPU has no memory left: its buffers here take ${held} GiB, and other programs may hold the rest. ${SMALLER}. ` +
        `It reported: ${error.message}`,
    );
  }

  close(): void {
    this.#closing = true;
    this.device.destroy();
  }
}

/** Buffers with one owner: labelled `owner/role`, freed together. */
export class Arena {
  readonly gpu: Gpu;
  readonly label: string;
  readonly #buffers = new Set<GPUBuffer>();

  constructor(gpu: Gpu, label: string) {
    this.gpu = gpu;
    this.label = label;
  }

  buffer(role: string, bytes: number, usage = 0): GPUBuffer {
    return this.#own(this.gpu.buffer(`${this.label}/${role}`, bytes, usage));
  }

  uniform(role: string, bytes: number): GPUBuffer {
    return this.#own(this.gpu.uniform(`${this.label}/${role}`, bytes));
  }

  upload(role: string, data: Data, purpose: Purpose, usage = 0): GPUBuffer {
    return this.#own(this.gpu.upload(`${this.label}/${role}`, data, purpose, usage));
  }

  /** Destroys one buffer early. */
  release(buffer: GPUBuffer): void {
    if (this.#buffers.delete(buffer)) buffer.destroy();
  }

  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers.clear();
  }

  #own(buffer: GPUBuffer): GPUBuffer {
    this.#buffers.add(buffer);
    return buffer;
  }
}
