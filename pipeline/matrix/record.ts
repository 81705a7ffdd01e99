import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Score } from '../../stages/artefacts/scores.ts';
import type { Axes, Scalar } from '../file/cells.ts';
import { MANIFEST } from '../run/folder.ts';
import type { How, Manifest } from '../run/manifest.ts';
import { replaceDurably } from '../store/durable.ts';

export type CellStatus = 'waiting' | 'running' | 'done' | 'failed' | 'stopped' | 'not started';

/** One cell as `matrix.json` tells of it. */
export interface CellRecord {
  name: string;
  values: Record<string, Scalar>;
  /** Where its results are, relative to `matrix.json`. */
  folder: string;
  status: CellStatus;
  /** Of its process; undefined before its end, and where a signal ended it. */
  exitCode?: number;
  /** What went wrong, in its own words. */
  error?: string;
  seconds?: number;
  /** The adapter it ran on, as the driver calls it. */
  adapter?: string;
  /** Its stages and their keys: cells with the same key share the work. */
  stages: { id: string; key: string; how: How }[];
  scores: readonly Score[];
}

/** `matrix.json`: what ran, how it ended, and every score. */
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
  /** Of the whole, once it has ended. */
  exitCode?: number;
  cells: CellRecord[];
}

export const MATRIX_FILE = 'matrix.json';

/** Writes `matrix.json` whole or not at all. */
export async function saveMatrixRecord(folder: string, record: MatrixRecord): Promise<void> {
  await replaceDurably(join(folder, MATRIX_FILE), `${JSON.stringify(record, null, 2)}\n`);
}

/** What `run.json` says of a cell; undefined where there is none that can be read. */
export interface CellManifest {
  text: string;
  status: Manifest['status'];
  stages: CellRecord['stages'];
  scores: readonly Score[];
}

/** Reads `run.json` of a cell's folder. A process that was killed may have left none. */
export async function readCellManifest(folder: string): Promise<CellManifest | undefined> {
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { status, stages, scores = [] } = JSON.parse(text) as Manifest;
    return { text, status, stages: stages.map(({ id, key, how }) => ({ id, key, how })), scores };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined; // another program's
    throw error;
  }
}
