import { GpuError } from './errors.ts';
import type { Gpu } from './gpu.ts';
import type { Purpose } from './ledger.ts';
import type { Recorder } from './recorder.ts';

/** The first `bytes` of a buffer. */
export interface ReadbackPart {
  buffer: GPUBuffer;
  bytes: number;
}

/** Parts by name. */
export type ReadbackParts = Readonly<Record<string, ReadbackPart>>;

/** Buffers as they were at one point of the queue. Occupies staging memory until it is released. */
export interface ReadbackSlot {
  /**
   * Waits until the GPU reaches the copy, then returns the bytes by name. They are mapped memory, not a copy, and are
   * invalid after `release`. At most one call, after the copy was submitted.
   *
   * @throws GpuError with the errors that the device reported until then.
   */
  read(): Promise<Record<string, Uint8Array>>;
  /** Frees the slot for another copy. Further calls do nothing. */
  release(): void;
  /**
   * Calls `receive` when the bytes arrive, then releases the slot; does not wait. Call it after the copy was submitted. `receive`
   * is not called if the `Readback` was destroyed or the device was lost in the meantime.
   */
  deliver(receive: (parts: Record<string, Uint8Array>) => void): void;
}

/** Options of a `Readback`. */
export interface ReadbackOptions {
  /** Copies that may be in flight at once; 2 unless given. */
  slots?: number;
  /** Bytes that the staging of all slots may take together; 2 GiB unless given. */
  limit?: number;
  /** Purpose of the transfers in the ledger; `checkpoints` unless given. */
  purpose?: Purpose;
}

interface Slot {
  staging: Map<string, GPUBuffer>;
  busy: boolean;
}

const LIMIT = 2 ** 31;
/** Size of the pieces in which a state larger than the limit is read. */
const PIECE_BYTES = 2 ** 27;
/** Spare bytes in new staging for parts that grow from one copy to the next. */
const HEADROOM = 1.25;

/**
 * Copies buffers to the host without delaying later work: a copy into a staging slot is recorded at one point
 * of the queue, and mapped when the GPU reaches it. Staging is allocated at the first copy, reused, and replaced only if a
 * part has outgrown it. It does not count as live bytes of the device.
 *
 * - `record` copies small parts, metrics for example, within the caller's recorder.
 * - `capture` copies large parts, checkpoints for example, in its own submission and within the memory limit.
 */
export class Readback {
  readonly #gpu: Gpu;
  readonly #label: string;
  readonly #limit: number;
  readonly #purpose: Purpose;
  readonly #slots: Slot[];
  #destroyed = false;

  constructor(
    gpu: Gpu,
    label: string,
    { slots = 2, limit = LIMIT, purpose = 'checkpoints' }: ReadbackOptions = {},
  ) {
    this.#gpu = gpu;
    this.#label = label;
    this.#limit = limit;
    this.#purpose = purpose;
    this.#slots = Array.from({ length: slots }, () => ({ staging: new Map(), busy: false }));
  }

  /** Bytes of staging in use. */
  get stagingBytes(): number {
    return this.#slots.reduce((sum, slot) => sum + bytesOf(slot), 0);
  }

  /** Records a copy of the parts as they are at this point of the recorder. Undefined when no slot is free. */
  record(recorder: Recorder, parts: ReadbackParts): ReadbackSlot | undefined {
    const slot = this.#slots.find(({ busy }) => !busy);
    if (!slot) return undefined;
    this.#makeStaging(slot, parts);
    copyParts(recorder, slot, parts);
    return this.#occupy(slot, () => this.#map(slot, parts));
  }

  /**
   * Copies the parts as they are after all work submitted so far. Undefined when no slot is free, or when the limit
   * leaves no memory for another: try again after a release. One call at a time.
   *
   * Parts that exceed the limit together are read piece by piece into host memory before this resolves. Submit nothing
   * that changes them in the meantime.
   *
   * @throws GpuError when there is no memory for the staging. The device stays usable.
   */
  async capture(parts: ReadbackParts): Promise<ReadbackSlot | undefined> {
    const idle = this.#slots.filter(({ busy }) => !busy);
    if (!idle.length) return undefined;
    // The slot that needs the least new staging.
    const [slot] = idle.sort((a, b) => missing(a, parts) - missing(b, parts));
    const others = this.#slots.filter((other) => other !== slot);
    const wanted = bytesAfter(slot, parts);
    const stagedBytes = () => others.reduce((sum, other) => sum + bytesOf(other), 0);
    if (stagedBytes() + wanted > this.#limit) for (const other of others) if (!other.busy) empty(other);
    if (stagedBytes() + wanted > this.#limit) {
      if (others.some(({ busy }) => busy)) return undefined;
      empty(slot);
      return this.#readInPieces(slot, parts);
    }
    if (missing(slot, parts)) await this.#allocate(slot, parts);
    this.#gpu.run(`${this.#label}/readback`, (recorder) => copyParts(recorder, slot, parts));
    return this.#occupy(slot, () => this.#map(slot, parts));
  }

  /** Frees the staging. Bytes of slots that were not released become invalid. */
  destroy(): void {
    this.#destroyed = true;
    for (const slot of this.#slots) empty(slot);
  }

  #occupy(slot: Slot, read: ReadbackSlot['read']): ReadbackSlot {
    slot.busy = true;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      for (const staging of slot.staging.values()) if (staging.mapState !== 'unmapped') staging.unmap();
      slot.busy = false;
    };
    const deliver: ReadbackSlot['deliver'] = (receive) => {
      read().then(
        (parts) => {
          if (!this.#destroyed) receive(parts);
          release();
        },
        () => {}, // Destroyed or lost: the device reports the reason itself.
      );
    };
    return { read, release, deliver };
  }

  async #allocate(slot: Slot, parts: ReadbackParts): Promise<void> {
    try {
      await this.#withMemory(() => this.#makeStaging(slot, parts));
    } catch (error) {
      empty(slot);
      throw error;
    }
  }

  #makeStaging(slot: Slot, parts: ReadbackParts): void {
    if (!missing(slot, parts)) return;
    for (const [name, staging] of slot.staging) {
      if (parts[name] && staging.size >= padded(parts[name].bytes)) continue;
      staging.destroy();
      slot.staging.delete(name);
    }
    for (const [name, part] of Object.entries(parts)) {
      if (!part.bytes || slot.staging.has(name)) continue;
      slot.staging.set(name, this.#staging(name, allocationOf(part)));
    }
  }

  async #map(slot: Slot, parts: ReadbackParts): Promise<Record<string, Uint8Array>> {
    const read = async ([name, { bytes }]: [string, ReadbackPart]): Promise<[string, Uint8Array]> => {
      if (!bytes) return [name, new Uint8Array()];
      const staging = slot.staging.get(name)!;
      await staging.mapAsync(GPUMapMode.READ, 0, padded(bytes));
      this.#gpu.ledger.add('down', this.#purpose, bytes);
      return [name, new Uint8Array(staging.getMappedRange(0, padded(bytes)), 0, bytes)];
    };
    try {
      const tensors = await Promise.all(Object.entries(parts).map(read));
      this.#gpu.check();
      return Object.fromEntries(tensors);
    } catch (error) {
      // An error that the device reported explains the failed mapping.
      this.#gpu.check();
      throw error;
    }
  }

  async #readInPieces(slot: Slot, parts: ReadbackParts): Promise<ReadbackSlot> {
    const longest = Math.max(...Object.values(parts).map(({ bytes }) => padded(bytes)));
    const size = Math.max(4, Math.min(PIECE_BYTES, 4 * Math.floor(this.#limit / 4), longest));
    const staging = await this.#withMemory(() => this.#staging('piece', size));
    const tensors: Record<string, Uint8Array> = {};
    try {
      for (const [name, { buffer, bytes }] of Object.entries(parts)) {
        tensors[name] = new Uint8Array(bytes);
        for (let at = 0; at < bytes; at += staging.size) {
          const piece = Math.min(staging.size, bytes - at);
          this.#gpu.run(`${this.#label}/piece`, (recorder) =>
            recorder.copy(buffer, staging, padded(piece), at),
          );
          await staging.mapAsync(GPUMapMode.READ, 0, padded(piece));
          tensors[name].set(new Uint8Array(staging.getMappedRange(0, padded(piece)), 0, piece), at);
          staging.unmap();
        }
        this.#gpu.ledger.add('down', this.#purpose, bytes);
      }
      this.#gpu.check();
    } catch (error) {
      this.#gpu.check();
      throw error;
    } finally {
      staging.destroy();
    }
    return this.#occupy(slot, async () => tensors);
  }

  /** Allocates staging in an error scope: out of memory fails this copy and not the device. */
  async #withMemory<T>(make: () => T): Promise<T> {
    const { device } = this.#gpu;
    device.pushErrorScope('out-of-memory');
    const made = make();
    const error = await device.popErrorScope();
    if (error) throw new GpuError(`no memory for the staging of ${this.#label}: ${error.message}`);
    return made;
  }

  #staging(name: string, size: number): GPUBuffer {
    return this.#gpu.device.createBuffer({
      label: `${this.#label}/readback/${name}`,
      size,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
  }
}

function copyParts(recorder: Recorder, { staging }: Slot, parts: ReadbackParts): void {
  for (const [name, { buffer, bytes }] of Object.entries(parts)) {
    if (bytes) recorder.copy(buffer, staging.get(name)!, padded(bytes));
  }
}

/** Copies and mappings take multiples of 4 bytes. */
const padded = (bytes: number) => Math.ceil(bytes / 4) * 4;

/** Bytes of staging for a part; at most the buffer's own size. */
function allocationOf({ buffer, bytes }: ReadbackPart): number {
  return Math.max(padded(bytes), Math.min(buffer.size, padded(HEADROOM * bytes)));
}

function bytesOf({ staging }: Slot): number {
  return [...staging.values()].reduce((sum, { size }) => sum + size, 0);
}

/** Bytes that a slot holds with staging for the parts. */
function bytesAfter(slot: Slot, parts: ReadbackParts): number {
  return Object.entries(parts).reduce((sum, [name, part]) => {
    const size = slot.staging.get(name)?.size ?? 0;
    return sum + (size >= padded(part.bytes) ? size : allocationOf(part));
  }, 0);
}

/** The number of parts for which a slot needs new staging. */
function missing(slot: Slot, parts: ReadbackParts): number {
  return Object.entries(parts).filter(
    ([name, { bytes }]) => (slot.staging.get(name)?.size ?? 0) < padded(bytes),
  ).length;
}

function empty(slot: Slot): void {
  for (const staging of slot.staging.values()) staging.destroy();
  slot.staging.clear();
}
