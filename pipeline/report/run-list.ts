import { existsSync, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { MATRIX_FILE, readRecord } from '../matrix/record.ts';
import { FILES } from '../run/entries.ts';
import { hasResults, keptRuns, runReference } from '../run/kept-runs.ts';
import { EVENTS_FILE, isRunning, statusOf } from '../run/live-log.ts';
import { type Manifest, readManifest } from '../run/manifest.ts';
import { LIVE, MANIFEST } from '../run/run-folder.ts';
import { ignore } from '../store/disk.ts';
import type { Store } from '../store/store.ts';
import type { ListedRun } from './data.ts';
import { promptOf } from './run-report.ts';

/** Folders in the folders of a list are read, too: cells of a matrix. */
const LIST_DEPTH = 2;

type FolderKind = 'run' | 'matrix' | 'other';

/** What a folder is; a file is `other`. A matrix may take the folder of an earlier run, and a run that of an earlier matrix: the later one counts. */
export function kindOf(folder: string): FolderKind {
  const timeOf = (...names: string[]) => {
    const path = join(folder, ...names);
    return (existsSync(path) && statSync(path, { throwIfNoEntry: false })?.mtimeMs) || 0; // statSync throws below a file
  };
  const [run, matrix] = [Math.max(timeOf(MANIFEST), timeOf(LIVE, EVENTS_FILE)), timeOf(MATRIX_FILE)];
  if (!run && !matrix) return 'other';
  return run > matrix ? 'run' : 'matrix';
}

/** A run in a folder, or one that the store keeps. */
export interface RunRow extends Omit<ListedRun, 'href' | 'kind' | 'status'> {
  /** Absolute; a kept run has none. */
  folder?: string;
  /** `kept`: a later run has replaced its results in the folder, the store has them; `freed`: gc freed them. */
  status: ListedRun['status'] | 'kept' | 'freed';
}

/** The runs in a folder, or the run that the folder is, with the cells of matrices; then those that the store keeps besides. */
export async function listRuns(folder: string, store: Store): Promise<RunRow[]> {
  const kind = kindOf(folder);
  const own =
    kind === 'other'
      ? await runsIn(folder)
      : [{ ...(await listed(folder, basename(resolve(folder)), kind)), href: '' }];
  const rows: RunRow[] = [];
  for (const run of own) {
    const path = resolve(folder, decodeURIComponent(run.href));
    rows.push(rowOf(run, path));
    const cells = run.kind === 'matrix' ? await runsIn(path) : [];
    for (const cell of cells) {
      rows.push({
        ...rowOf(cell, join(path, decodeURIComponent(cell.href))),
        name: `${run.name}/${cell.name}`,
      });
    }
  }
  const shown = new Set(rows.map(({ run }) => run));
  for (const { reference, file, keptAt } of await keptRuns(store)) {
    const read = shown.has(reference) ? undefined : await readManifest(file).catch(() => undefined);
    if (!read) continue;
    const status = hasResults(store, read.manifest) ? 'kept' : 'freed';
    const [name, made] = [reference.slice(0, reference.lastIndexOf('@')), new Date(keptAt).toISOString()];
    rows.push({ name, made, status, ...summaryOf(read.manifest) });
  }
  return rows;
}

function rowOf({ href: _, kind: __, ...run }: ListedRun, folder: string): RunRow {
  return { ...run, folder: resolve(folder) };
}

/** The runs and matrices in a folder, the newest first. */
export async function runsIn(folder: string, depth = LIST_DEPTH): Promise<ListedRun[]> {
  const runs: ListedRun[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    const kind = kindOf(path);
    if (kind !== 'other') {
      const run = await listed(path, entry.name, kind).catch(ignore('ENOENT')); // a run that fails removes its folder
      if (run) runs.push(run);
    } else if (depth > 1) {
      const below = await runsIn(path, depth - 1);
      for (const run of below) {
        const href = `${encodeURIComponent(entry.name)}/${run.href}`;
        runs.push({ ...run, name: `${entry.name}/${run.name}`, href });
      }
    }
  }
  const rank = ({ status, made }: ListedRun) => `${status === 'running' ? 1 : 0}${made}`;
  return runs.sort((a, b) => rank(b).localeCompare(rank(a)));
}

async function listed(folder: string, name: string, kind: 'run' | 'matrix'): Promise<ListedRun> {
  const href = `${encodeURIComponent(name)}/`;
  const timeOf = async (...path: string[]) => (await stat(join(folder, ...path))).mtime.toISOString();
  if (kind === 'matrix') {
    const record = await readRecord(folder).catch(() => undefined);
    const status = record?.status ?? 'unreadable';
    return { name, href, kind, status, made: await timeOf(MATRIX_FILE), scores: {} };
  }
  if (isRunning(folder)) return { name, href, kind, status: 'running', made: await timeOf(), scores: {} };
  // A run that was killed before its first result.
  if (!existsSync(join(folder, MANIFEST)))
    return { name, href, kind, status: 'stopped', made: await timeOf(), scores: {} };
  const read = await readManifest(folder).catch(() => undefined);
  if (!read) return { name, href, kind, status: 'unreadable', made: await timeOf(), scores: {} };
  return {
    ...{ name, href, kind, made: await timeOf(MANIFEST), ...summaryOf(read.manifest) },
    status: statusOf(folder, read.manifest),
  };
}

/** The columns of a list besides name, time and state. */
function summaryOf(
  manifest: Manifest,
): Pick<ListedRun, 'run' | 'error' | 'prompt' | 'seconds' | 'bytes' | 'scores'> {
  const { stages, files, scores = [], error } = manifest;
  const saved = stages.flatMap(({ outputs }) => outputs.filter(({ path }) => !path.startsWith(`${FILES}/`)));
  return {
    ...{ run: runReference(manifest), error, prompt: promptOf(manifest) },
    seconds: stages.reduce((sum, { seconds, madeIn }) => sum + (seconds || (madeIn ?? 0)), 0),
    bytes: [...files, ...saved].reduce((sum, { bytes }) => sum + bytes, 0),
    scores: Object.fromEntries(scores.map((score) => [score.name, score.value])),
  };
}
