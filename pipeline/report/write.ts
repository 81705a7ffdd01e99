import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { sha256Of } from '../hash.ts';
import type { MatrixRecord } from '../matrix/record.ts';
import { statusOf } from '../run/live-log.ts';
import { type Manifest, readManifest } from '../run/manifest.ts';
import { REPORT } from '../run/run-folder.ts';
import { codeOf, replaceDurably } from '../store/disk.ts';
import type { ReportData } from './data.ts';
import type { RunReportOptions } from './run-report.ts';

/** The built page: HTML with its style and script, and a place for the data. */
const PAGE = new URL('../../dist/report.html', import.meta.url);
const PLACE = '{"kind":"none"}';
/** Names the inputs of a written page, within its first bytes. */
const INPUTS = '<meta name="splatline-inputs" content="';
const WITH_VIEWER = ' viewer';
const HEAD_BYTES = 1024;

/** A written report. */
export interface WrittenReport {
  file: string;
  /** False where the file already shows these results. */
  isNew: boolean;
}

/** The page of a run: its `report.html`, or a new page where that shows other results. @throws InputError without a valid run.json. */
export async function runReportPage(path: string): Promise<string> {
  const current = await readReport(path);
  return current.isCurrent ? readFile(current.file, 'utf8') : current.page();
}

/**
 * Writes `report.html` into a run's folder, unless it shows these results already: a report describes the run that made the
 * results, and a run that finds everything cached changes nothing. A page that has the viewer keeps it.
 * @throws InputError without a valid run.json, or when there is nothing for a viewer.
 */
export async function writeRunReport(path: string, options: RunReportOptions = {}): Promise<WrittenReport> {
  const { file, isCurrent, page } = await readReport(path, options);
  if (!isCurrent) await replaceDurably(file, await page());
  return { file, isNew: !isCurrent };
}

/** The report of a run: whether its file shows the results, and how to make the page that does. */
async function readReport(
  path: string,
  options: RunReportOptions = {},
): Promise<{ file: string; isCurrent: boolean; page: () => Promise<string> }> {
  const { folder, manifest } = await readManifest(path);
  const file = join(folder, REPORT);
  const empty = await readPage();
  const inputs = inputsOf({ ...manifest, status: statusOf(folder, manifest) });
  const without = sha256Of(JSON.stringify([sha256Of(empty), inputs]));
  const withViewer = `${without}${WITH_VIEWER}`;
  const shown = await inputsShownBy(file);
  const page = async () => {
    const { readRun } = await import('./run-report.ts');
    return fill(empty, await readRun(folder, options), options.viewer ? withViewer : without);
  };
  return { file, isCurrent: shown === withViewer || (shown === without && !options.viewer), page };
}

/** A page that no file keeps. */
export async function reportPage(data: ReportData): Promise<string> {
  return fill(await readPage(), data, '');
}

/** What decides whether a report is still that of the results. */
function inputsOf({ status, error, command, cwd, stages, files, scores }: Manifest): unknown {
  const keys = stages.map(({ id, key, outputs }) => [id, key, outputs.map(({ sha256 }) => sha256)]);
  return { status, error, command, cwd, keys, files, scores };
}

async function inputsShownBy(file: string): Promise<string> {
  const handle = await open(file).catch(() => undefined);
  if (!handle) return '';
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    const head = buffer.toString('utf8', 0, bytesRead);
    return head.includes(INPUTS) ? head.split(INPUTS)[1].split('"')[0] : '';
  } finally {
    await handle.close();
  }
}

function readPage(): Promise<string> {
  return readFile(PAGE, 'utf8');
}

/** Writes `report.html` beside the `matrix.json` of a matrix. Returns its path. */
export async function writeMatrixReport(folder: string, record: MatrixRecord): Promise<string> {
  const { readMatrixReport } = await import('./matrix-report.ts');
  const file = join(folder, REPORT);
  await replaceDurably(file, fill(await readPage(), await readMatrixReport(folder, record), ''));
  return file;
}

/** Writes a page that compares runs. @throws InputError if a run has no valid run.json, or the page cannot be written. */
export async function writeComparison(runs: readonly string[], file: string): Promise<void> {
  const { readComparison } = await import('./comparison-report.ts');
  const page = fill(await readPage(), await readComparison(runs), '');
  await replaceDurably(file, page).catch((error: unknown) => {
    throw new InputError(
      `cannot be written (${codeOf(error) ?? error}); choose another file with --out`,
      file,
    );
  });
}

function fill(page: string, data: ReportData, inputs: string): string {
  const title = `${data.name} · splatline`.replace(/[<&]/g, (found) => (found === '<' ? '&lt;' : '&amp;'));
  const json = JSON.stringify(data).replaceAll('<', '\\u003c'); // no text ends the script
  return page
    .replace('<meta charset="utf-8">', () => `<meta charset="utf-8">\n${INPUTS}${inputs}">`)
    .replace(/<title>[^<]*<\/title>/, () => `<title>${title}</title>`)
    .replace(PLACE, () => json);
}
