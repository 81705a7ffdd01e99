import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { MatrixRecord } from '../matrix/record.ts';
import { REPORT } from '../run/run-folder.ts';
import type { MatrixReport } from './data.ts';
import { dataUri } from './pictures.ts';

/** The contact sheets of `writeContactSheet`, the better one first. */
const SHEETS = [
  ['sheet.webp', 'image/webp'],
  ['sheet.png', 'image/png'],
] as const;
/** The largest sheet that becomes part of the page, bytes. */
const MAX_SHEET = 8 * 2 ** 20;

/** Everything that the report of a matrix shows; `folder` is that of `matrix.json`. */
export async function readMatrixReport(folder: string, record: MatrixRecord): Promise<MatrixReport> {
  const { name, status, seconds, axes, cells, command, cwd } = record;
  const scores = new Map(
    cells.flatMap(({ scores }) => scores.map(({ name, unit }) => [name, unit] as const)),
  );
  return {
    kind: 'matrix',
    ...{ name, status, seconds, command, cwd },
    made: new Date().toISOString(),
    axes: Object.keys(axes),
    scores: [...scores].map(([name, unit]) => ({ name, unit })),
    cells: cells.map(({ name, values, status, error, seconds, scores, folder: own }) => ({
      ...{ name, values, status, error, seconds },
      scores: Object.fromEntries(scores.map(({ name, value }) => [name, value])),
      report: existsSync(join(folder, own, REPORT)) ? `${encodeURIComponent(own)}/${REPORT}` : undefined,
    })),
    sheet: status === 'running' ? undefined : await sheetOf(folder), // it is that of an earlier matrix
  };
}

async function sheetOf(folder: string): Promise<string | undefined> {
  for (const [name, type] of SHEETS) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && found.size <= MAX_SHEET) return dataUri(type, await readFile(path));
  }
  return undefined;
}
