import type { Gpu } from './gpu.ts';
import type { Recorder } from './recorder.ts';

interface Slot {
  staging: GPUBuffer;
  busy: boolean;
}

/**
 * Looks at a small buffer now and then without ever waiting: a sample is copied within a recorder, mapped when the GPU
 * gets there, and skipped when all slots are still on their way. For progress lines, never for results.
 */
export class Tap {
  readonly #gpu: Gpu;
  readonly #bytes: number;
  readonly #slots: Slot[];
  #pending: { slot: Slot; seen: (data: ArrayBuffer) => void }[] = [];
  #closed = false;

  constructor(gpu: Gpu, label: string, bytes: number, slots = 3) {
    this.#gpu = gpu;
    this.#bytes = bytes;
    this.#slots = Array.from({ length: slots }, () => ({
      staging: gpu.device.createBuffer({
        label: `${label}/tap`,
        size: bytes,
        usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
      }),
      busy: false,
    }));
  }

  /** Copies the buffer's first bytes as they are at this point of the recorder, if a slot is free. */
  record(recorder: Recorder, buffer: GPUBuffer, seen: (data: ArrayBuffer) => void): void {
    const slot = this.#slots.find(({ busy }) => !busy);
    if (!slot) return;
    slot.busy = true;
    recorder.copy(buffer, slot.staging, this.#bytes);
    this.#pending.push({ slot, seen });
  }

  /** To be called once the recorder was submitted. */
  submitted(): void {
    for (const { slot, seen } of this.#pending) {
      this.#gpu.ledger.add('down', 'metrics', this.#bytes);
      slot.staging.mapAsync(GPUMapMode.READ).then(
        () => {
          const data = slot.staging.getMappedRange().slice(0);
          slot.staging.unmap();
          slot.busy = false;
          if (!this.#closed) seen(data);
        },
        () => {}, // destroyed or lost meanwhile: the device's own report says so
      );
    }
    this.#pending = [];
  }

  destroy(): void {
    this.#closed = true;
    for (const { staging } of this.#slots) staging.destroy();
  }
}
