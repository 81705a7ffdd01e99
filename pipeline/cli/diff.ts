import { resolve } from 'node:path';
import { Command } from 'commander';
import { EXIT } from '../exit.ts';
import type { Difference } from '../report/comparison-report.ts';
import { findRun } from '../run/kept-runs.ts';
import { readManifest } from '../run/manifest.ts';
import { Store } from '../store/store.ts';
import { DEFAULT_STORE } from './flags.ts';
import { count, grouped, printJson, table } from './format.ts';

interface DiffFlags {
  store: string;
  json?: boolean;
}

/** `splatline diff A B`. */
export function diffCommand(): Command {
  return new Command('diff')
    .description('Compare two runs: options, scores, and results in bytes; exit code 1 where bytes differ.')
    .argument('<a>', "a run's folder or its run.json, or a kept run (NAME@KEY)")
    .argument('<b>', 'another')
    .option('--store <folder>', 'the store that keeps earlier runs', DEFAULT_STORE)
    .option('--json', 'print JSON')
    .action(async (a: string, b: string, { store, json }: DiffFlags) => {
      const { compare, resultsOf } = await import('../report/comparison-report.ts');
      const kept = new Store(resolve(store));
      const paths = await Promise.all([a, b].map((run) => findRun(run, kept)));
      const manifests = (await Promise.all(paths.map(readManifest))).map(({ manifest }) => manifest);
      const difference = compare(manifests);
      const compared = new Set(manifests.flatMap((manifest) => [...resultsOf(manifest).keys()])).size;
      if (json) printJson({ runs: [a, b], compared, ...difference });
      else process.stdout.write(`${lines([a, b], difference, compared).join('\n')}\n`);
      if (difference.files.length) process.exitCode = EXIT.fault;
    });
}

function lines(names: readonly string[], { options, scores, files }: Difference, compared: number): string[] {
  const only = (at: number) => files.filter(({ values }) => values[1 - at] === undefined);
  const both = files.filter(({ values }) => !values.includes(undefined));
  const list = (rows: Difference['files']) =>
    grouped(rows.map(({ name }) => name)).map((name) => `  ${name}`);
  const section = (title: string, rows: readonly string[]) => (rows.length ? [title, ...rows, ''] : []);
  return [
    ...section(
      'Options that differ:',
      options.length
        ? indented([
            ['', ...names],
            ...options.map(({ name, values }) => [name, ...values.map((value) => value ?? '–')]),
          ])
        : [],
    ),
    ...section(
      'Scores:',
      scores.length ? indented([['', ...names, 'difference'], ...scores.map(scoreRow)]) : [],
    ),
    ...section('Results that differ:', list(both)),
    ...section(`Only in ${names[0]}:`, list(only(0))),
    ...section(`Only in ${names[1]}:`, list(only(1))),
    files.length
      ? `${files.length} of ${count(compared, 'result')} differ in bytes`
      : `All ${count(compared, 'result')} are the same to the byte`,
  ];
}

const indented = (rows: string[][]) => table(rows).map((line) => `  ${line}`);

function scoreRow({ name, unit, values: [a, b] }: Difference['scores'][number]): string[] {
  const shown = (value: number | undefined) =>
    value === undefined ? '–' : String(Number(value.toPrecision(5)));
  const change = a === undefined || b === undefined ? undefined : b - a;
  const sign = change !== undefined && change > 0 ? '+' : '';
  const suffix = unit && unit !== '1' ? ` ${unit}` : '';
  return [
    name,
    shown(a),
    shown(b),
    change === undefined ? '' : `${sign}${Number(change.toPrecision(3))}${suffix}`,
  ];
}
