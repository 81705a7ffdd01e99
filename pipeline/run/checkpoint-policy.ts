import type { CheckpointStore, SavedCheckpoint } from '../../stages/checkpoints.ts';
import type { Checkpoints } from '../store/checkpoints.ts';

/** The interval of checkpoints. */
export type CheckpointRule = { seconds: number } | { steps: number } | 'off';

interface PolicyOptions {
  rule: CheckpointRule;
  /** Aborted when the run is asked to stop. */
  signal?: AbortSignal;
  /** Seconds of a monotonic clock. */
  now?: () => number;
}

/** The checkpoints of a stage as the stage sees them: the store saves them, the policy decides when one is due. */
export class CheckpointPolicy implements CheckpointStore {
  readonly #files: Checkpoints;
  readonly #options: PolicyOptions;
  readonly #now: () => number;
  #lastStep = 0;
  #lastSeconds: number;
  /** Whether the stage has asked for saved work. From then on it stops by itself when `stopping` is set. */
  listening = false;

  constructor(files: Checkpoints, options: PolicyOptions) {
    this.#files = files;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now() / 1000);
    this.#lastSeconds = this.#now();
  }

  get stopping(): boolean {
    return this.#options.signal?.aborted ?? false;
  }

  async latest(): Promise<SavedCheckpoint | undefined> {
    this.listening = true;
    const saved = await this.#files.latest();
    this.#mark(saved?.step ?? 0);
    return saved;
  }

  due(step: number): boolean {
    const { rule } = this.#options;
    if (rule === 'off') return false;
    if ('steps' in rule) return step - this.#lastStep >= rule.steps;
    return this.#now() - this.#lastSeconds >= rule.seconds;
  }

  async save(checkpoint: SavedCheckpoint): Promise<void> {
    this.#mark(checkpoint.step); // also after a failure: a full disk is not retried at once
    await this.#files.save(checkpoint);
  }

  #mark(step: number): void {
    this.#lastStep = step;
    this.#lastSeconds = this.#now();
  }
}
