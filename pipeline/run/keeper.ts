import type { CheckpointStore, SavedCheckpoint } from '../../stages/checkpoints.ts';
import type { CheckpointFiles } from '../store/checkpoint-files.ts';

/** How often unfinished work is saved. */
export type CheckpointRule = { seconds: number } | { steps: number } | 'off';

interface KeeperOptions {
  rule: CheckpointRule;
  /** Aborted when the run is asked to stop. */
  signal?: AbortSignal;
  /** Seconds of a clock that only goes forward. */
  now?: () => number;
}

/** Keeps a stage's unfinished work in the store: decides when, and where. */
export class Keeper implements CheckpointStore {
  readonly #files: CheckpointFiles;
  readonly #options: KeeperOptions;
  readonly #now: () => number;
  #lastStep = 0;
  #lastSeconds: number;
  /** Whether the stage has asked for saved work: from then on it can be asked to stop. */
  listening = false;

  constructor(files: CheckpointFiles, options: KeeperOptions) {
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
    this.#mark(checkpoint.step); // also where it fails: a full disk is not asked again at once
    await this.#files.save(checkpoint);
  }

  #mark(step: number): void {
    this.#lastStep = step;
    this.#lastSeconds = this.#now();
  }
}
