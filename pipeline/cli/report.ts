import { dirname, resolve } from 'node:path';
import { Command } from 'commander';
import { InputError } from '../../wgsl/core/index.ts';
import { readRecord } from '../matrix/record.ts';
import { shortPath } from './format.ts';

/** `splatline report RUN…`. */
export function reportCommand(): Command {
  return new Command('report')
    .description('Write the page that shows a run or a matrix, or one that compares several runs.')
    .argument(
      '<run...>',
      "a run's folder or its run.json; the folder of a matrix; or several runs to compare",
    )
    .option('--out <file>', 'the page that compares runs', 'comparison.html')
    .option('--viewer', "include a viewer of the run's splat; it needs WebGL or WebGPU")
    .action(async (runs: string[], flags: { out: string; viewer?: boolean }) => {
      process.stdout.write(`${shortPath(await write(runs, resolve(flags.out), flags.viewer))}\n`);
    });
}

/** Returns the path of the page. */
async function write(
  [run, ...others]: readonly string[],
  out: string,
  viewer: boolean | undefined,
): Promise<string> {
  const { writeComparison, writeMatrixReport, writeRunReport } = await import('../report/write.ts');
  const withViewer = (what: string) => new InputError(`${what} has no viewer; name a single run`, '--viewer');
  if (others.length) {
    if (viewer) throw withViewer('a page that compares runs');
    await writeComparison([run, ...others], out);
    return out;
  }
  const folder = run.endsWith('.json') ? dirname(run) : run;
  const { kindOf } = await import('../report/run-list.ts');
  const record = kindOf(folder) === 'matrix' ? await readRecord(folder) : undefined;
  if (!record) return (await writeRunReport(run, { viewer })).file;
  if (viewer) throw withViewer('the page of a matrix');
  return writeMatrixReport(folder, record);
}
