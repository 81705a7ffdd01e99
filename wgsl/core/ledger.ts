/**
 * Purposes of transfers between CPU and GPU. Scene data is uploaded once (`images`, `points`, `splat-in`) and read back once
 * (`splat-out`); between the stages only the small purposes may appear.
 */
export const PURPOSES = [
  'images', // up: training photographs, once, by load
  'points', // up: SfM points, by init
  'splat-in', // up: a splat from a file
  'weights', // up: CLIP weights
  'parameters', // up: cameras, schedules, per-step numbers
  'metrics', // down: losses, counts, scores
  'frames', // down: finished pictures for files
  'checkpoints', // both: saved stage outputs that a later run resumes from
  'splat-out', // down: the finished splat
  'test', // both: unit tests inspect buffers
] as const;

/** The purpose of a transfer between host and GPU: a name under which the ledger counts its bytes. It has no other effect. */
export type Purpose = (typeof PURPOSES)[number];
export type Direction = 'up' | 'down';

/** What one stage transferred for one purpose in one direction. */
export interface LedgerRow {
  stage: string;
  purpose: Purpose;
  direction: Direction;
  bytes: number;
  transfers: number;
  /** Bytes of the largest single transfer. */
  largest: number;
}

/** Counts every byte that the device sends or receives, by stage and purpose. */
export class Ledger {
  /** The stage under which transfers are counted; the runner sets it. */
  stage = 'setup';
  readonly #rows = new Map<string, LedgerRow>();

  add(direction: Direction, purpose: Purpose, bytes: number): void {
    const key = `${this.stage}\0${purpose}\0${direction}`;
    const row = this.#rows.get(key);
    if (row) {
      row.bytes += bytes;
      row.transfers++;
      row.largest = Math.max(row.largest, bytes);
    } else
      this.#rows.set(key, { stage: this.stage, purpose, direction, bytes, transfers: 1, largest: bytes });
  }

  /** All rows so far, in order of first appearance. */
  rows(): LedgerRow[] {
    return [...this.#rows.values()].map((row) => ({ ...row }));
  }
}
