/**
 * What a stage sees of checkpoints. Who keeps them, and where, is not the stage's business: the runner's store does for
 * pipelines; a script may give a keeper of its own.
 */

/** A stage's unfinished work, enough to go on to the same bytes. */
export interface SavedCheckpoint {
  /** Finished steps; the course goes on with the step of this index. */
  step: number;
  numbers: Record<string, number>;
  /** Raw little-endian bytes by name. */
  tensors: Record<string, Uint8Array>;
}

export interface CheckpointKeeper {
  /** The newest complete one, undamaged; undefined where there is none. */
  latest(): Promise<SavedCheckpoint | undefined>;
  /** Whether one should be saved after so many finished steps (by steps or by time). Cheap: asked after every step. */
  due(step: number): boolean;
  /**
   * Makes it durable. The caller does not touch the bytes until this resolves, and they are gone once it has; one save at
   * a time. A save that fails on the disk (full, read-only) rejects: the stage warns and goes on.
   */
  save(checkpoint: SavedCheckpoint): Promise<void>;
  /** Set when the run was asked to stop (SIGINT, SIGTERM): the stage saves what is there and throws `Stopped`. */
  readonly stopping: boolean;
}

/** A stage ended before its time because its keeper was `stopping`; what was done is in the newest checkpoint. */
export class Stopped extends Error {
  constructor(message = 'stopped on request') {
    super(message);
    this.name = 'Stopped';
  }
}
