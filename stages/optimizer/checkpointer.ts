import { type Gpu, type Shot, Snapshot, type SnapshotOptions } from '../../wgsl/core/index.ts';
import type { CheckpointKeeper } from '../checkpoints.ts';
import type { Report } from '../stage.ts';
import type { KeptParts } from './kept.ts';

export interface CheckpointerOptions extends SnapshotOptions {
  label: string;
  keeper: CheckpointKeeper;
  report: Report;
  /** What is to be kept of the state as it is now; asked between two steps. */
  kept(): { numbers: Record<string, number>; parts: KeptParts };
}

/**
 * Takes checkpoints while a course goes on. One may be on its way to the keeper while another comes from the GPU; whoever
 * comes third is not taken, and due again later. A save that fails is told once: the course matters more.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  readonly #snapshot: Snapshot;
  /** All saves so far, in their order; never rejects. */
  #saving = Promise.resolve();
  /** A shot was taken that the keeper was not given yet: it still says that one is due. */
  #waiting = false;
  /** No room for a shot: before a save has ended, or at all. */
  #full = false;
  #warned = false;

  constructor(gpu: Gpu, options: CheckpointerOptions) {
    this.#options = options;
    this.#snapshot = new Snapshot(gpu, options.label, options);
  }

  get stopping(): boolean {
    return this.#options.keeper.stopping;
  }

  /** Whether to take one after so many finished steps. Cheap: to be asked after every step. */
  due(step: number): boolean {
    return !this.#waiting && !this.#full && this.#options.keeper.due(step);
  }

  /**
   * Takes the state after so many finished steps, none of which was void. Resolves when the course may go on, which is
   * before it is saved.
   */
  async take(step: number): Promise<void> {
    const { numbers, parts } = this.#options.kept();
    let shot: Shot | undefined;
    try {
      shot = await this.#snapshot.take(parts);
    } catch (error) {
      this.#full = true;
      return this.#warn(step, error);
    }
    if (shot) this.#saveNext(shot, step, numbers);
    else {
      this.#full = true;
      this.#saving = this.#saving.then(() => void (this.#full = false));
    }
  }

  /** The last one, before the course is left: resolves when it is saved, or was warned of. */
  async takeLast(step: number): Promise<void> {
    await this.#saving;
    await this.take(step);
    await this.#saving;
  }

  /** Waits for what is being saved, whose bytes are the staging's, and frees it. */
  async close(): Promise<void> {
    await this.#saving;
    this.#snapshot.destroy();
  }

  #saveNext(shot: Shot, step: number, numbers: Record<string, number>): void {
    this.#waiting = true;
    const save = async () => {
      try {
        const tensors = await shot.read();
        this.#waiting = false;
        await this.#options.keeper.save({ step, numbers, tensors });
      } catch (error) {
        this.#warn(step, error);
      } finally {
        shot.release();
      }
    };
    this.#saving = this.#saving.then(save);
  }

  #warn(step: number, error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#options.report.warn(
      `the checkpoint after step ${step} could not be saved: ${error instanceof Error ? error.message : error}. ` +
        'Work goes on; should it be interrupted, it resumes from the last one that was saved',
    );
  }
}
