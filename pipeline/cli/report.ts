import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { MATRIX_FILE, type MatrixRecord } from '../matrix/record.ts';
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
    .action(async (runs: string[], { out }: { out: string }) => {
      process.stdout.write(`${shortPath(await write(runs, resolve(out)))}\n`);
    });
}

/** Returns the path of the page. */
async function write([run, ...others]: readonly string[], out: string): Promise<string> {
  const { writeComparison, writeMatrixReport, writeRunReport } = await import('../report/write.ts');
  if (others.length) {
    await writeComparison([run, ...others], out);
    return out;
  }
  const folder = run.endsWith('.json') ? dirname(run) : run;
  const text = await readFile(join(folder, MATRIX_FILE), 'utf8').catch(() => undefined);
  if (text === undefined) return (await writeRunReport(run)).file;
  return writeMatrixReport(folder, JSON.parse(text) as MatrixRecord);
}
