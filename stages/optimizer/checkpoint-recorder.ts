import { type Gpu, Readback, type ReadbackOptions, type ReadbackSlot } from '../../wgsl/core/index.ts';
import type { CheckpointStore } from '../checkpoints.ts';
import type { Report } from '../stage.ts';
import type { CheckpointState } from './checkpoint-tensors.ts';

export interface CheckpointRecorderOptions extends ReadbackOptions {
  label: string;
  store: CheckpointStore;
  report: Report;
  /** The current state, called between two steps. */
  state(): CheckpointState;
}

/**
 * Takes checkpoints while a training loop runs. At most two are in flight, one on the way from the GPU and one on the way to
 * the store; a third is skipped and retried. The first failed save is reported as a warning, and the loop continues.
 */
export class CheckpointRecorder {
  readonly #options: CheckpointRecorderOptions;
  readonly #readback: Readback;
  /** All saves so far, in order; never rejects. */
  #saving = Promise.resolve();
  /** A captured state has not reached the store, which still reports a checkpoint as due. */
  #waiting = false;
  /** No slot is free until a save ends, or no memory is left for a slot. */
  #full = false;
  #warned = false;

  constructor(gpu: Gpu, options: CheckpointRecorderOptions) {
    this.#options = options;
    this.#readback = new Readback(gpu, options.label, options);
  }

  get stopping(): boolean {
    return this.#options.store.stopping;
  }

  /** Whether to take a checkpoint after this many finished steps. Cheap: called after every step. */
  due(step: number): boolean {
    return !this.#waiting && !this.#full && this.#options.store.due(step);
  }

  /**
   * Captures the state after this many finished steps, all of them valid. Resolves when the loop may continue, which is
   * before the checkpoint is saved.
   */
  async take(step: number): Promise<void> {
    const { numbers, tensors } = this.#options.state();
    let slot: ReadbackSlot | undefined;
    try {
      slot = await this.#readback.capture(tensors);
    } catch (error) {
      this.#full = true;
      return this.#warn(step, error);
    }
    if (slot) this.#save(slot, step, numbers);
    else {
      this.#full = true;
      this.#saving = this.#saving.then(() => void (this.#full = false));
    }
  }

  /** Takes the last checkpoint before the loop ends; resolves when it is saved, or failed with a warning. */
  async takeLast(step: number): Promise<void> {
    await this.#saving;
    await this.take(step);
    await this.#saving;
  }

  /** Waits for saves in flight, which read from the staging, and frees the staging. */
  async close(): Promise<void> {
    await this.#saving;
    this.#readback.destroy();
  }

  #save(slot: ReadbackSlot, step: number, numbers: Record<string, number>): void {
    this.#waiting = true;
    const save = async () => {
      try {
        const tensors = await slot.read();
        this.#waiting = false;
        await this.#options.store.save({ step, numbers, tensors });
      } catch (error) {
        this.#warn(step, error);
      } finally {
        slot.release();
      }
    };
    this.#saving = this.#saving.then(save);
  }

  #warn(step: number, error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#options.report.warn(
      `the checkpoint after step ${step} could not be saved: ${error instanceof Error ? error.message : error}. ` +
        'Work continues; if it is interrupted, it resumes from the last saved checkpoint',
    );
  }
}

/**
 * A store as one of several consecutive training loops of a stage sees it. The loop's own steps count from 0 and are saved from `offset` on,
 * and `latest` finds the checkpoints of this loop alone.
 */
export function loopStore(store: CheckpointStore, loop: number, offset: number): CheckpointStore {
  return {
    get stopping() {
      return store.stopping;
    },
    due: (step) => store.due(offset + step),
    save: ({ step, numbers, tensors }) =>
      store.save({ step: offset + step, numbers: { ...numbers, loop }, tensors }),
    async latest() {
      const saved = await store.latest();
      return saved?.numbers.loop === loop ? { ...saved, step: saved.step - offset } : undefined;
    },
  };
}
