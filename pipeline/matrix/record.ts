import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { checkJson, readJson } from '../../stages/artefacts/json.ts';
import { type Score, scoreSchema } from '../../stages/artefacts/scores.ts';
import type { Axes } from '../file/cells.ts';
import type { Scalar } from '../file/substitute.ts';
import type { RunEvent } from '../run/events.ts';

export type CellStatus = 'not started' | 'running' | 'done' | 'failed' | 'stopped';

/** One cell in `matrix.json`. */
export interface CellRecord {
  name: string;
  values: Record<string, Scalar>;
  /** The folder of its results, relative to `matrix.json`. */
  folder: string;
  status: CellStatus;
  /** Exit code of its process; undefined before the end, and if a signal ended it. */
  exitCode?: number;
  /** The error message of its process, or its last lines of output. */
  error?: string;
  seconds?: number;
  /** The driver's name of the adapter that it ran on. */
  adapter?: string;
  scores: readonly Score[];
  /** The folder of its saved turntable, relative to `matrix.json`. */
  frames?: string;
}

/** `matrix.json`: the cells, their outcomes, and all scores. */
export interface MatrixRecord {
  format: 1;
  status: 'running' | 'done' | 'failed' | 'stopped';
  name: string;
  /** The pipeline file, absolute. */
  file: string;
  set: readonly string[];
  axes: Axes;
  jobs: number;
  seconds: number;
  /** Exit code of the matrix, once it has ended. */
  exitCode?: number;
  cells: CellRecord[];
}

export const MATRIX_FILE = 'matrix.json';

/** The members that readers of a record use. */
const recordSchema = z.looseObject({
  format: z.literal(1),
  status: z.enum(['running', 'done', 'failed', 'stopped']),
  name: z.string(),
  file: z.string(),
  axes: z.record(z.string(), z.array(z.unknown())),
  seconds: z.number(),
  cells: z.array(
    z.looseObject({
      name: z.string(),
      values: z.record(z.string(), z.unknown()),
      folder: z.string(),
      status: z.string(),
      scores: z.array(scoreSchema.loose()),
    }),
  ),
});

/** The record in the folder of a matrix; undefined without one. @throws InputError when it is damaged. */
export async function readRecord(folder: string): Promise<MatrixRecord | undefined> {
  const path = join(folder, MATRIX_FILE);
  if (!existsSync(path)) return undefined;
  return checkJson(path, recordSchema, await readJson(path)) as unknown as MatrixRecord;
}

/** An event that a cell's process prints with `--json`. */
export type CellRunEvent = RunEvent | { event: 'error'; message: string; exitCode: number };

/** An event of a matrix; `--json` prints each as one line. The events of a cell's run have its name in `cell`. */
export type MatrixEvent =
  | { event: 'matrix'; name: string; out: string; axes: Axes; cells: string[]; jobs: number }
  | { event: 'cell'; cell: string; index: number; count: number; values: Record<string, Scalar>; out: string }
  | (CellRunEvent & { cell: string })
  | ({ event: 'cell-end'; cell: string; seconds: number } & Pick<CellRecord, 'status' | 'exitCode' | 'error'>)
  /** A warning about the matrix as a whole. */
  | { event: 'matrix-warn'; text: string }
  /** The running cells save and end; no other cell starts. */
  | { event: 'stopping'; why: string }
  | { event: 'matrix-result'; out: string; record: MatrixRecord };
