import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { checkJson, readJson } from '../../stages/artefacts/json.ts';
import { scoreSchema } from '../../stages/artefacts/scores.ts';
import type { Axes } from '../file/cells.ts';
import type { Scalar } from '../file/substitute.ts';
import type { RunEvent } from '../run/events.ts';
import { statusOf } from '../run/live-log.ts';
import { isBelow } from '../store/entry.ts';

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** One cell in `matrix.json`. */
const cellSchema = z.object({
  name: z.string(),
  values: z.record(z.string(), scalar),
  /** The folder of its results, relative to `matrix.json`. */
  folder: z.string().refine(isBelow, 'leads out of the folder of the matrix'),
  status: z.enum(['not started', 'running', 'done', 'failed', 'stopped']),
  /** Exit code of its process; undefined before the end, and if a signal ended it. */
  exitCode: z.number().optional(),
  /** The error message of its process, or its last lines of output. */
  error: z.string().optional(),
  seconds: z.number().optional(),
  /** The driver's name of the adapter that it ran on. */
  adapter: z.string().optional(),
  scores: z.array(scoreSchema).readonly(),
  /** The folder of its saved turntable, relative to `matrix.json`. */
  frames: z.string().optional(),
});

/** `matrix.json`: the cells, their outcomes, and all scores. */
const recordSchema = z.object({
  format: z.literal(1),
  status: z.enum(['running', 'done', 'failed', 'stopped']),
  name: z.string(),
  /** Repeats the matrix, typed in `cwd`. */
  command: z.string(),
  cwd: z.string(),
  /** The pipeline file, absolute. */
  file: z.string(),
  set: z.array(z.string()).readonly(),
  axes: z.record(z.string(), z.array(scalar).readonly()),
  jobs: z.number(),
  seconds: z.number(),
  /** Exit code of the matrix, once it has ended. */
  exitCode: z.number().optional(),
  cells: z.array(cellSchema),
});

export type CellRecord = z.output<typeof cellSchema>;
export type MatrixRecord = z.output<typeof recordSchema>;

export const MATRIX_FILE = 'matrix.json';

/**
 * The record in the folder of a matrix; undefined without one. A matrix that was killed is `stopped`, and so are the cells that it ran.
 * @throws InputError when the file is damaged.
 */
export async function readRecord(folder: string): Promise<MatrixRecord | undefined> {
  const path = join(folder, MATRIX_FILE);
  if (!existsSync(path)) return undefined;
  const record = checkJson(path, recordSchema, await readJson(path));
  const status = statusOf(folder, record);
  if (status === record.status) return record;
  const cells = record.cells.map((cell) => (cell.status === 'running' ? { ...cell, status } : cell));
  return { ...record, status, cells };
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
