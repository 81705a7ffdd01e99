import { GpuError } from './errors.ts';
import type { Gpu } from './gpu.ts';
import type { Purpose } from './ledger.ts';

/** The first `bytes` of a buffer. */
export interface SnapshotPart {
  buffer: GPUBuffer;
  bytes: number;
}

/** Buffers as they were at one point of the queue. */
export interface Shot {
  /**
   * Waits until the GPU got there, then gives the bytes by name. They are mapped memory, not a copy: gone after `release`.
   * Once per shot. Throws what the device reported until then.
   */
  read(): Promise<Record<string, Uint8Array>>;
  /** Frees the place for another shot. Nobody may still be reading the bytes. */
  release(): void;
}

export interface SnapshotOptions {
  /** Shots that may be under way at once. */
  slots?: number;
  /** Bytes that the staging of all slots may take together. */
  limit?: number;
  /** What the ledger books the bytes on; `checkpoints` unless given. */
  purpose?: Purpose;
}

interface Slot {
  staging: Map<string, GPUBuffer>;
  busy: boolean;
}

const LIMIT = 2 ** 31;
/** Where a state is read in pieces. */
const PIECE_BYTES = 2 ** 27;
/** Room in new staging for what grows from one shot to the next. */
const HEADROOM = 1.25;

/**
 * Copies large buffers to the host without holding up the work that follows: a shot is recorded and submitted at one point
 * of the queue into staging of its own, and mapped when the GPU gets there. Staging is made at the first shot, kept for the
 * next, and replaced only where a part has outgrown it.
 *
 * What is larger than `limit` does not fit in staging at all: it is read piece by piece into host memory, and only then does
 * `take` resolve; who waits for `take` before going on, as everyone must, submits nothing meanwhile.
 *
 * Staging is not among the device's live bytes.
 */
export class Snapshot {
  readonly #gpu: Gpu;
  readonly #label: string;
  readonly #limit: number;
  readonly #purpose: Purpose;
  readonly #slots: Slot[];

  constructor(
    gpu: Gpu,
    label: string,
    { slots = 2, limit = LIMIT, purpose = 'checkpoints' }: SnapshotOptions = {},
  ) {
    this.#gpu = gpu;
    this.#label = label;
    this.#limit = limit;
    this.#purpose = purpose;
    this.#slots = Array.from({ length: slots }, () => ({ staging: new Map(), busy: false }));
  }

  /** Bytes of staging held now. */
  get stagingBytes(): number {
    return this.#slots.reduce((sum, slot) => sum + bytesOf(slot), 0);
  }

  /**
   * Shoots the parts as they are after all that was submitted so far. Undefined when every slot, or the memory for another,
   * is taken by shots that were not released: try again once one was. One call at a time.
   *
   * @throws GpuError when there is no memory for the staging; the device is none the worse.
   */
  async take(parts: Readonly<Record<string, SnapshotPart>>): Promise<Shot | undefined> {
    const idle = this.#slots.filter(({ busy }) => !busy);
    if (!idle.length) return undefined;
    // The slot that fits best as it is.
    const [slot] = idle.sort((a, b) => missing(a, parts) - missing(b, parts));
    const others = this.#slots.filter((other) => other !== slot);
    const wanted = bytesAfter(slot, parts);
    const held = () => others.reduce((sum, other) => sum + bytesOf(other), 0);
    if (held() + wanted > this.#limit) for (const other of others) if (!other.busy) empty(other);
    if (held() + wanted > this.#limit) {
      if (others.some(({ busy }) => busy)) return undefined;
      empty(slot);
      return this.#readInPieces(slot, parts);
    }
    if (missing(slot, parts)) await this.#makeRoom(slot, parts);
    this.#gpu.run(`${this.#label}/snapshot`, (recorder) => {
      for (const [name, { buffer, bytes }] of Object.entries(parts)) {
        if (bytes) recorder.copy(buffer, slot.staging.get(name)!, padded(bytes));
      }
    });
    return this.#shot(slot, () => this.#map(slot, parts));
  }

  /** Frees the staging. No shot may be in use. */
  destroy(): void {
    for (const slot of this.#slots) empty(slot);
  }

  #shot(slot: Slot, read: Shot['read']): Shot {
    slot.busy = true;
    let released = false;
    return {
      read,
      release() {
        if (released) return;
        released = true;
        for (const staging of slot.staging.values()) if (staging.mapState !== 'unmapped') staging.unmap();
        slot.busy = false;
      },
    };
  }

  async #makeRoom(slot: Slot, parts: Readonly<Record<string, SnapshotPart>>): Promise<void> {
    for (const [name, staging] of slot.staging) {
      if (parts[name] && staging.size >= padded(parts[name].bytes)) continue;
      staging.destroy();
      slot.staging.delete(name);
    }
    try {
      await this.#withMemory(() => {
        for (const [name, part] of Object.entries(parts)) {
          if (!part.bytes || slot.staging.has(name)) continue;
          slot.staging.set(name, this.#staging(name, roomFor(part)));
        }
      });
    } catch (error) {
      empty(slot);
      throw error;
    }
  }

  async #map(slot: Slot, parts: Readonly<Record<string, SnapshotPart>>): Promise<Record<string, Uint8Array>> {
    const read = async ([name, { bytes }]: [string, SnapshotPart]): Promise<[string, Uint8Array]> => {
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
      // What the device reported on its own explains the failed mapping.
      this.#gpu.check();
      throw error;
    }
  }

  async #readInPieces(slot: Slot, parts: Readonly<Record<string, SnapshotPart>>): Promise<Shot> {
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
    return this.#shot(slot, async () => tensors);
  }

  /** Makes staging. Where there is no memory for it, that is this shot's failure and not the device's. */
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
      label: `${this.#label}/snapshot/${name}`,
      size,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
  }
}

/** Copies and mappings count in whole words. */
const padded = (bytes: number) => Math.ceil(bytes / 4) * 4;

/** Bytes of staging for a part; never more than the buffer itself. */
function roomFor({ buffer, bytes }: SnapshotPart): number {
  return Math.max(padded(bytes), Math.min(buffer.size, padded(HEADROOM * bytes)));
}

function bytesOf({ staging }: Slot): number {
  return [...staging.values()].reduce((sum, { size }) => sum + size, 0);
}

/** Bytes that a slot holds once it has the parts. */
function bytesAfter(slot: Slot, parts: Readonly<Record<string, SnapshotPart>>): number {
  return Object.entries(parts).reduce((sum, [name, part]) => {
    const size = slot.staging.get(name)?.size ?? 0;
    return sum + (size >= padded(part.bytes) ? size : roomFor(part));
  }, 0);
}

/** Parts for which a slot has to make staging. */
function missing(slot: Slot, parts: Readonly<Record<string, SnapshotPart>>): number {
  return Object.entries(parts).filter(
    ([name, { bytes }]) => (slot.staging.get(name)?.size ?? 0) < padded(bytes),
  ).length;
}

function empty(slot: Slot): void {
  for (const staging of slot.staging.values()) staging.destroy();
  slot.staging.clear();
}
