import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { InputError } from '../../wgsl/core/index.ts';
import type { RunRow } from '../report/run-list.ts';
import { findRun, restoreRun } from '../run/kept-runs.ts';
import { STORE } from '../run/run-folder.ts';
import { Store } from '../store/store.ts';
import { byteSize, count, duration, printJson, shortPath, table } from './format.ts';

interface RunsFlags {
  store?: string;
  restore?: string;
  out?: string;
  json?: boolean;
}

/** `splatline runs [FOLDER]`. */
export function runsCommand(): Command {
  return new Command('runs')
    .description('List the runs in a folder, and the earlier ones that the store keeps, or bring one back.')
    .argument('[folder]', 'a folder of runs, or of a run', 'out')
    .option('--store <folder>', 'the store that keeps earlier runs (default: .store in the folder)')
    .option('--restore <NAME@KEY>', 'write the results of a kept run, as links, to FOLDER/NAME@KEY')
    .option('--out <folder>', 'with --restore: another folder')
    .option('--json', 'print JSON, one object a line')
    .action(async (folder: string, { restore: run, out, json, store: root }: RunsFlags) => {
      const store = new Store(resolve(root ?? join(folder, STORE)));
      if (run !== undefined) return restore(run, store, resolve(out ?? join(folder, run)));
      if (out !== undefined) throw new InputError('goes with --restore', '--out');
      const { listRuns } = await import('../report/run-list.ts');
      const rows = await listRuns(folder, store);
      if (json) for (const row of rows) printJson(row);
      else process.stdout.write(`${text(rows, folder).join('\n')}\n`);
    });
}

/** The scores in the table; `--json` has all. */
const HEADLINES = ['psnr', 'clip', 'structure'];

function text(rows: readonly RunRow[], folder: string): string[] {
  if (!rows.length) return [`there are no runs in ${shortPath(resolve(folder))}`];
  const scores = HEADLINES.filter((name) => rows.some((row) => name in row.scores));
  const shown = (value: number | undefined) =>
    value === undefined ? '' : String(Number(value.toPrecision(4)));
  const head = ['run', 'key', 'when', 'state', ...scores, 'time', 'size', 'prompt'];
  const lines = rows.map(({ name, run = '', made, status, prompt = '', error, seconds, bytes, ...row }) => [
    name,
    run.split('@').at(-1)!,
    localTime(made),
    status,
    ...scores.map((score) => shown(row.scores[score])),
    seconds === undefined ? '' : duration(seconds),
    bytes === undefined ? '' : byteSize(bytes),
    error ? `error: ${error.split('\n')[0]}` : prompt,
  ]);
  const isKept = rows.some(({ status }) => status === 'kept');
  const advice =
    'kept: replaced by a later run; the store has its results: splatline runs --restore NAME@KEY';
  return [...table([head, ...lines]), ...(isKept ? ['', advice] : [])];
}

/** `2026-11-29 12:03`, in the time zone of this machine. */
function localTime(iso: string): string {
  const date = new Date(iso);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(two).join('-');
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

async function restore(run: string, store: Store, out: string): Promise<void> {
  const { manifest, missing } = await restoreRun(await findRun(run, store), out);
  const { writeRunReport } = await import('../report/write.ts');
  await writeRunReport(out);
  const lines = [
    `${count(manifest.files.length, 'file')} of ${run} in ${shortPath(out)}`,
    ...missing.map((path) => `${path} is not among them: the run took it from its input`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
