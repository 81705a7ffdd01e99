import type { Axes, Scalar } from '../file/cells.ts';
import type { RunEvent } from '../run/events.ts';
import type { CellStatus, MatrixRecord } from './record.ts';

/** What a matrix tells while it runs; `--json` prints each as one line. The events of a cell's run carry its name. */
export type MatrixEvent =
  | { event: 'matrix'; name: string; out: string; axes: Axes; cells: string[]; jobs: number }
  | { event: 'cell'; cell: string; index: number; count: number; values: Record<string, Scalar>; out: string }
  | (CellRunEvent & { cell: string })
  | {
      event: 'cell-end';
      cell: string;
      status: CellStatus;
      seconds: number;
      /** What its process ended with; undefined where a signal ended it. */
      exitCode?: number;
      error?: string;
    }
  /** Cells are asked to save and end; no other starts. */
  | { event: 'stopping'; why: string }
  | { event: 'matrix-result'; out: string; record: MatrixRecord };

/** What a cell's process prints with `--json`. */
export type CellRunEvent = RunEvent | { event: 'error'; message: string; exitCode: number };
