import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { InputError } from '../../wgsl/core/index.ts';
import { GOLDEN } from '../golden/recording.ts';
import { readRecord } from '../matrix/record.ts';
import { shortPath } from './format.ts';

interface ReportFlags {
  out?: string;
  viewer?: boolean;
}

/** `splatline report RUN…`. */
export function reportCommand(): Command {
  return new Command('report')
    .description('Write the page that shows a run or a matrix, or one that compares several runs.')
    .argument(
      '<run...>',
      "a run's folder or its run.json; a matrix's or its matrix.json; or several runs to compare",
    )
    .option('--out <file>', 'the page that compares runs (default: comparison.html)')
    .option('--viewer', "include a viewer of the run's splat; it needs WebGL or WebGPU")
    .action(async (runs: string[], flags: ReportFlags) => {
      const file = await (runs.length > 1 ? compare(runs, flags) : write(runs[0], flags));
      process.stdout.write(`${shortPath(file)}\n`);
    });
}

const withoutViewer = (what: string) =>
  new InputError(`${what} has no viewer; name a single run`, '--viewer');

/** Returns the path of the page. */
async function compare(
  runs: readonly string[],
  { out = 'comparison.html', viewer }: ReportFlags,
): Promise<string> {
  if (viewer) throw withoutViewer('a page that compares runs');
  const kept = runs.find((run) => run.includes('@') && !existsSync(run));
  if (kept) {
    const advice = `is not here; if the store keeps it, splatline runs --restore ${kept} brings it back`;
    throw new InputError(advice, kept);
  }
  const { writeComparison } = await import('../report/write.ts');
  await writeComparison(runs, resolve(out));
  return resolve(out);
}

/** Returns the path of the page of a run or a matrix. @throws InputError where there is neither. */
async function write(path: string, { out, viewer }: ReportFlags): Promise<string> {
  if (out !== undefined) {
    throw new InputError('is for several runs; the page of one is report.html in its folder', '--out');
  }
  const { writeMatrixReport, writeRunReport } = await import('../report/write.ts');
  const { kindOf } = await import('../report/run-list.ts');
  const folder = path.endsWith('.json') ? dirname(path) : path;
  switch (kindOf(folder)) {
    case 'run':
      return (await writeRunReport(folder, { viewer })).file;
    case 'matrix':
      if (viewer) throw withoutViewer('the page of a matrix');
      return writeMatrixReport(folder, (await readRecord(folder))!);
    case 'other':
      throw new InputError(adviceFor(folder), path);
  }
}

function adviceFor(folder: string): string {
  if (existsSync(join(folder, GOLDEN.json)))
    return 'is a golden recording; splatline golden check FILE --html PAGE.html writes a page that checks it';
  return 'expected the folder of a run or of a matrix; splatline runs FOLDER lists those in a folder';
}
