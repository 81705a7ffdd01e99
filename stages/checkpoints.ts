/**
 * Checkpoints as a stage sees them. The store decides where they are saved: pipelines save them under the stage's key; a
 * script may pass its own store.
 */

/** The unfinished work of a stage: enough to resume to the same bytes. */
export interface SavedCheckpoint {
  /** Finished steps. The stage resumes with the step of this index. */
  step: number;
  numbers: Record<string, number>;
  /** Raw little-endian bytes by name. */
  tensors: Record<string, Uint8Array>;
}

/** Where a stage saves unfinished work, and finds that of an earlier process. */
export interface CheckpointStore {
  /** The newest complete and undamaged checkpoint; undefined if there is none. */
  latest(): Promise<SavedCheckpoint | undefined>;
  /** Whether to save a checkpoint after this many finished steps. Cheap: called after every step. */
  due(step: number): boolean;
  /**
   * Writes a checkpoint durably. The bytes stay valid until this resolves and no longer. One save at a time. Rejects when
   * the disk is full or read-only: the stage then warns and continues.
   */
  save(checkpoint: SavedCheckpoint): Promise<void>;
  /** True once the run was asked to stop (SIGINT, SIGTERM): the stage saves its work and throws `Stopped`. */
  readonly stopping: boolean;
}

/** A stage ended early because its store was `stopping`. The newest checkpoint contains the finished steps. */
export class Stopped extends Error {
  constructor(message = 'stopped on request') {
    super(message);
    this.name = 'Stopped';
  }
}
