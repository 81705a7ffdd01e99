import { GpuError, SMALLER } from './errors.ts';
import { Kernel, type KernelDefinition, type KernelUse, type ResolvedVariant } from './kernel.ts';
import { Ledger, type Purpose } from './ledger.ts';
import type { Profiler } from './profiler.ts';
import { Recorder } from './recorder.ts';
import type { SubmissionClock } from './submission-clock.ts';
import { type KernelTarget, type SubgroupNumbering, subgroupSize, supportsTarget } from './target.ts';

/** Properties that the adapter reports; part of every result's provenance. */
export interface AdapterReport {
  vendor: string;
  architecture: string;
  device: string;
  description: string;
  features: string[];
  subgroupMinSize: number;
  subgroupMaxSize: number;
  /** A CPU behind a software driver. `openGpu` derives `Gpu.target` from it, and kernels for GPUs keep loops rolled there. */
  software: boolean;
  /** The model of the CPU behind a software driver, where known: the driver compiles for this CPU. */
  cpu?: string;
}

/** Host data that can be uploaded. A length that is no multiple of 4 bytes is padded with zeros. */
export type Data = Float32Array | Uint32Array | Int32Array | Uint8Array | Uint16Array | ArrayBuffer;

/** Properties of a device that `openGpu` determines. */
export interface GpuOptions {
  /** `portable` unless given. Must be one that the device supports. */
  target?: KernelTarget;
  /** How subgroups are numbered; without it no variant with subgroups runs. */
  numbering?: SubgroupNumbering;
  /** Whether kernels may multiply f16 matrices of 16 × 16 on tensor cores. */
  hasMatrices?: boolean;
  /** Maximum bytes of a row buffer in one binding: see `rowWindows`. */
  windowBytes?: number;
}

/** Uploads and readbacks pass through the host in pieces, so that staging stays small for large scenes. */
const PIECE_BYTES = 2 ** 26;

/**
 * A WebGPU device with a cache of compiled kernels, labelled and counted buffers, and the transfer ledger. `openGpu` creates
 * one, also from the caller's `GPUDevice`. The next `read`, `settle` or `check` throws errors that the device reported
 * asynchronously.
 */
export class Gpu {
  readonly device: GPUDevice;
  readonly adapter: AdapterReport;
  /**
   * The kernel variants that run. Sorts and scans give the same bits on every target; sums of floats (matrix products,
   * tiles) have a different order, and agree to rounding.
   */
  readonly target: KernelTarget;
  /** Invocations of every subgroup where variants with subgroups run, otherwise 0. */
  readonly subgroupSize: number;
  /** Whether kernels may multiply f16 matrices of 16 × 16 on tensor cores. */
  readonly hasMatrices: boolean;
  /** Maximum bytes of a row buffer in one binding. */
  readonly windowBytes: number;
  /** Counts the bytes that the device sends and receives, by purpose. */
  readonly ledger = new Ledger();
  /** Bytes of all live buffers of this object: current and peak. */
  liveBytes = 0;
  peakBytes = 0;
  /** How subgroups are numbered; undefined where no variant with subgroups runs. */
  readonly numbering?: SubgroupNumbering;
  /** Recorders whose commands are not submitted yet. */
  readonly #open = new Set<Recorder>();
  readonly #kernels = new Map<string, Promise<Kernel>>();
  #profiler?: Profiler;
  #clock?: SubmissionClock;
  #failure?: GpuError;
  #closing = false;

  constructor(device: GPUDevice, adapter: AdapterReport, options: GpuOptions = {}) {
    const { target = 'portable', numbering, hasMatrices = false, windowBytes } = options;
    this.hasMatrices = hasMatrices;
    this.device = device;
    this.adapter = adapter;
    this.subgroupSize = numbering && device.features.has('subgroups') ? subgroupSize(adapter) : 0;
    this.numbering = numbering;
    this.target = target;
    this.windowBytes = windowBytes ?? device.limits.maxStorageBufferBindingSize;
    this.#require(target, 'the device');
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault?.();
      this.#failure ??= this.#reported(event.error);
    });
    device.lost.then((info) => {
      if (!this.#closing) this.#failure ??= new GpuError(`the GPU device was lost: ${info.message}`);
    });
  }

  /** Set to measure GPU time by kernel: each recorded kernel then has its own pass. */
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

  /** Whether the device runs the variants of a target. */
  supports(target: KernelTarget): boolean {
    return supportsTarget(target, this.subgroupSize);
  }

  /** Whether the device was requested with a WebGPU feature. */
  has(feature: GPUFeatureName): boolean {
    return this.device.features.has(feature);
  }

  /** Throws the first error that the device reported asynchronously. Called wherever results leave the GPU. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /**
   * A zeroed storage buffer, which may be larger than one binding. The caller destroys it (see `Arena`).
   *
   * @param bytes rounded up to a multiple of 4, and to 16 at least.
   * @param usage adds to STORAGE | COPY_SRC | COPY_DST.
   * @throws GpuError when the adapter allows no buffer of that size.
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

  /** A zeroed buffer that can be bound as a uniform too. */
  uniform(label: string, bytes: number): GPUBuffer {
    return this.buffer(label, bytes, GPUBufferUsage.UNIFORM);
  }

  /** A new storage buffer with the contents `data`. `usage` adds to STORAGE | COPY_SRC | COPY_DST. @throws GpuError as `buffer`. */
  upload(label: string, data: Data, purpose: Purpose, usage = 0): GPUBuffer {
    const buffer = this.buffer(label, data.byteLength, usage);
    this.write(buffer, data, purpose);
    return buffer;
  }

  /**
   * Writes at once: before every command that is submitted later, whatever the order of recording. So a buffer that a
   * recorder's commands use cannot be written until that recorder is submitted.
   *
   * @param offset bytes, a multiple of 4.
   * @throws Error when an unsubmitted recorder uses the buffer.
   */
  write(buffer: GPUBuffer, data: Data, purpose: Purpose, offset = 0): void {
    for (const recorder of this.#open) {
      if (!recorder.uses(buffer)) continue;
      throw new Error(
        `${buffer.label}: commands of the recorder ${recorder.label} use this buffer and would see what is written now. ` +
          'Submit the recorder first',
      );
    }
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
   * Reads `bytes` of a buffer from `offset` (a multiple of 4) on; waits for the GPU. More than 64 MiB is read in pieces: submit
   * nothing that writes the buffer in the meantime.
   *
   * @throws GpuError with the first error that the device reported until then.
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
      // An error that the device reported explains the failed mapping.
      this.check();
      throw error;
    } finally {
      staging.destroy();
    }
  }

  /** As `read`, as `count` f32; the whole buffer without `count`. */
  async readFloats(buffer: GPUBuffer, purpose: Purpose, count?: number): Promise<Float32Array> {
    return new Float32Array(await this.read(buffer, purpose, count === undefined ? undefined : 4 * count));
  }

  /** As `read`, as `count` u32; the whole buffer without `count`. */
  async readWords(buffer: GPUBuffer, purpose: Purpose, count?: number): Promise<Uint32Array> {
    return new Uint32Array(await this.read(buffer, purpose, count === undefined ? undefined : 4 * count));
  }

  /**
   * The compiled kernel, in the variant of `Gpu.target` unless `use` names another; one compile per distinct source and
   * constants. A failed compile is not cached.
   *
   * @throws Error with line, column and source of each error of the WGSL; when the source or an include cannot be read.
   * @throws GpuError when the device does not support the variant.
   */
  kernel(definition: KernelDefinition, use: KernelUse = {}): Promise<Kernel> {
    const variant = this.#variant(definition, use);
    const { source, entry, enables, constants } = variant;
    const key = JSON.stringify([source.href, entry, enables, constants]);
    const cached = this.#kernels.get(key);
    if (cached) return cached;
    const kernel = Kernel.compile(this.device, variant);
    this.#kernels.set(key, kernel);
    kernel.catch(() => this.#kernels.delete(key));
    return kernel;
  }

  #variant(definition: KernelDefinition, { constants, target = this.target }: KernelUse): ResolvedVariant {
    const { label, entry, variants } = definition;
    const found = variants[target] ? target : 'portable';
    const { source = variants.portable.source, enables, constants: own } = variants[found]!;
    if (enables?.includes('subgroups')) this.#require(found, label);
    return {
      label: found === 'portable' ? label : `${label}-${found}`,
      source,
      entry,
      enables,
      numbering: this.numbering,
      constants: {
        ...(enables?.includes('subgroups') && { SUBGROUP: this.subgroupSize }),
        ...definition.constants,
        ...own,
        ...constants,
      },
    };
  }

  #require(target: KernelTarget, who: string): void {
    if (this.supports(target)) return;
    const { subgroupMinSize, subgroupMaxSize } = this.adapter;
    throw new GpuError(
      `${who}: the kernel target ${target} needs subgroups of one supported size; this device has ` +
        (this.has('subgroups') ? `${subgroupMinSize} to ${subgroupMaxSize}` : 'none') +
        '. Use the target portable',
    );
  }

  /** A recorder of commands, for `submit`. Its own profiler, if given, replaces `Gpu.profiler`. */
  recorder(label: string, profiler = this.profiler): Recorder {
    const recorder = new Recorder(this.device, label, profiler, this.clock);
    this.#open.add(recorder);
    return recorder;
  }

  /** Submits the recorded commands, once. Does not wait. */
  submit(recorder: Recorder): void {
    this.#open.delete(recorder);
    this.device.queue.submit([recorder.finish()]);
  }

  /** Drops a recorder without running its commands: `write` no longer refuses their buffers. */
  discard(recorder: Recorder): void {
    this.#open.delete(recorder);
  }

  /** Records and submits in one go. Returns what `record` returns; if it throws, nothing is submitted. */
  run<T>(label: string, record: (recorder: Recorder) => T): T {
    const recorder = this.recorder(label);
    try {
      const result = record(recorder);
      this.submit(recorder);
      return result;
    } finally {
      this.discard(recorder);
    }
  }

  /** Waits for all submitted work; throws errors that the device reported until then. */
  async settle(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone();
    this.check();
  }

  /** An owner of buffers with labels `label/role`. */
  arena(label: string): Arena {
    return new Arena(this, label);
  }

  #reported(error: GPUError): GpuError {
    // A browser or Deno has the class as a global, in Node `openGpu` puts it there.
    if (!(error instanceof GPUOutOfMemoryError))
      return new GpuError(`the GPU reported an error: ${error.message}`);
    const used = (this.liveBytes / 2 ** 30).toFixed(1);
    return new GpuError(
      `the GPU has no memory left: its buffers here take ${used} GiB, and other programs may hold the rest. ${SMALLER}. ` +
        `It reported: ${error.message}`,
    );
  }

  /** Destroys the device with all its buffers. */
  close(): void {
    this.#closing = true;
    this.device.destroy();
  }
}

/** Buffers with one owner: labelled `owner/role`, freed together. `Gpu.arena` creates one. */
export class Arena {
  readonly gpu: Gpu;
  readonly label: string;
  readonly #buffers = new Set<GPUBuffer>();

  constructor(gpu: Gpu, label: string) {
    this.gpu = gpu;
    this.label = label;
  }

  /** As `Gpu.buffer`: a zeroed storage buffer. */
  buffer(role: string, bytes: number, usage = 0): GPUBuffer {
    return this.#own(this.gpu.buffer(`${this.label}/${role}`, bytes, usage));
  }

  /** As `Gpu.uniform`: a zeroed buffer that can be bound as a uniform too. */
  uniform(role: string, bytes: number): GPUBuffer {
    return this.#own(this.gpu.uniform(`${this.label}/${role}`, bytes));
  }

  /** As `Gpu.upload`: a storage buffer with the contents `data`. */
  upload(role: string, data: Data, purpose: Purpose, usage = 0): GPUBuffer {
    return this.#own(this.gpu.upload(`${this.label}/${role}`, data, purpose, usage));
  }

  /** Destroys one buffer early. Does nothing to a buffer of another arena. */
  release(buffer: GPUBuffer): void {
    if (this.#buffers.delete(buffer)) buffer.destroy();
  }

  /** Destroys all buffers. The arena can create new ones afterwards. */
  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers.clear();
  }

  #own(buffer: GPUBuffer): GPUBuffer {
    this.#buffers.add(buffer);
    return buffer;
  }
}
