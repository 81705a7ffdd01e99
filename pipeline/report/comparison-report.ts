import { isDeepStrictEqual } from 'node:util';
import { flat } from '../keys/why.ts';
import { type Manifest, readManifest } from '../run/manifest.ts';
import type { ComparisonReport } from './data.ts';
import { optionText } from './options.ts';
import { turntableOf } from './run-report.ts';

/** Compares runs: the options that differ, the scores, and the turntables. @throws InputError without a valid run.json. */
export async function readComparison(paths: readonly string[]): Promise<ComparisonReport> {
  const runs = await Promise.all(paths.map(readManifest));
  const manifests = runs.map(({ manifest }) => manifest);
  return {
    kind: 'comparison',
    name: manifests.map(({ name }) => name).join(' and '),
    made: new Date().toISOString(),
    status: 'done',
    runs: await Promise.all(
      runs.map(async ({ folder, manifest }, i) => {
        const { name, status } = manifest;
        const isUnique = manifests.filter((other) => other.name === name).length === 1;
        const turntable = await turntableOf(folder, manifest);
        return { name: isUnique ? name : `${name} (${paths[i]})`, folder, status, turntable };
      }),
    ),
    options: differentOptions(manifests),
    scores: comparedScores(manifests),
  };
}

function differentOptions(manifests: readonly Manifest[]): ComparisonReport['options'] {
  const all = manifests.map(({ stages, seed, cwd }) => {
    const rows = stages.flatMap(({ id, options }) =>
      Object.entries(flat(options)).map(
        ([name, value]) => [`${id}.${name}`, optionText(value, cwd)] as const,
      ),
    );
    return new Map<string, string>([['seed', String(seed)], ...rows]);
  });
  const names = new Set(all.flatMap((options) => [...options.keys()]));
  return [...names]
    .map((name) => ({ name, values: all.map((options) => options.get(name)) }))
    .filter(({ values }) => !values.every((value) => isDeepStrictEqual(value, values[0])));
}

function comparedScores(manifests: readonly Manifest[]): ComparisonReport['scores'] {
  const rows = manifests.flatMap(({ scores = [] }) => scores);
  const units = new Map(rows.map(({ name, unit }) => [name, unit]));
  return [...units].map(([name, unit]) => ({
    ...{ name, unit },
    values: manifests.map(({ scores = [] }) => scores.find((score) => score.name === name)?.value),
  }));
}
