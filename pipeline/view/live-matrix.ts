import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readRecord } from '../matrix/record.ts';
import type { MatrixCell, MatrixReport } from '../report/data.ts';
import { readMatrixReport } from '../report/matrix-report.ts';
import { isRunning, PREVIEW_FILE } from '../run/live-log.ts';
import { LIVE } from '../run/run-folder.ts';
import type { Followed } from './feed.ts';
import { PREVIEW } from './live-run.ts';

/** The report of a matrix as its page shows it: running cells have links and pictures. Undefined without a `matrix.json`. */
export async function shownMatrix(folder: string): Promise<MatrixReport | undefined> {
  const record = await readRecord(folder);
  if (!record) return undefined;
  const report = await readMatrixReport(folder, record);
  const cells = report.cells.map((cell, i) => withRun(cell, folder, record.cells[i].folder));
  return { ...report, cells: await Promise.all(cells), isFollowed: record.status === 'running' };
}

/** A cell with what its run shows, if it runs. */
async function withRun(cell: MatrixCell, folder: string, name: string): Promise<MatrixCell> {
  if (!isRunning(join(folder, name))) return cell;
  const href = `${encodeURIComponent(name)}/`;
  const picture = await stat(join(folder, name, LIVE, PREVIEW_FILE)).catch(() => undefined);
  return { ...cell, report: href, preview: picture && `${href}${PREVIEW}?${picture.mtimeMs}` };
}

/** The state of a running matrix. Reads its record, and which cells have pictures. */
export class LiveMatrix implements Followed {
  readonly #folder: string;
  #shown = '';
  report: Partial<MatrixReport> = {};
  hasEnded = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async update(): Promise<Partial<MatrixReport> | undefined> {
    const report = await this.#read();
    this.hasEnded = !report.isFollowed;
    const text = JSON.stringify({ ...report, made: undefined });
    if (text === this.#shown) return undefined;
    this.#shown = text;
    this.report = report;
    return report;
  }

  /** The record of a running matrix that cannot be read is an error on its page, which stays. */
  async #read(): Promise<Partial<MatrixReport>> {
    try {
      return (await shownMatrix(this.#folder)) ?? {};
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { ...this.report, error: message, isFollowed: isRunning(this.#folder) };
    }
  }
}
