import { flat } from '../keys/why.ts';
import { comparedParts, FILES, isCompared } from '../run/entries.ts';
import { type Manifest, readManifest } from '../run/manifest.ts';
import { STAGES } from '../run/run-folder.ts';
import { count } from '../units.ts';
import type { ComparisonReport } from './data.ts';
import { optionText } from './options.ts';
import { turntableOf } from './run-report.ts';

export type Difference = Pick<ComparisonReport, 'options' | 'scores' | 'files'>;

/** The options and results that differ, and all scores. */
export function compare(manifests: readonly Manifest[]): Difference {
  return {
    options: differentOptions(manifests),
    scores: comparedScores(manifests),
    files: differing(manifests.map(resultsOf)),
  };
}

/** Compares runs, also their turntables. @throws InputError without a valid run.json. */
export async function readComparison(paths: readonly string[]): Promise<ComparisonReport> {
  const runs = await Promise.all(paths.map(readManifest));
  const manifests = runs.map(({ manifest }) => manifest);
  const names = [...new Set(manifests.map(({ name }) => name))];
  return {
    ...compare(manifests),
    kind: 'comparison',
    name: names.length > 1 ? names.join(' and ') : `${count(runs.length, 'run')} of ${names[0]}`,
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
  };
}

/** sha256 of the results of a run; see `ComparisonReport`. Those of an earlier run in its folder do not count. */
export function resultsOf({ files, stages }: Manifest): Map<string, string> {
  const own = files.filter(({ path, earlier }) => !earlier && isCompared(path));
  const saved = stages.flatMap(({ id, parts, outputs }) =>
    Object.entries(comparedParts({ parts, outputs }))
      .filter(([name]) => !name.startsWith(`${FILES}/`))
      .map(([name, sha256]) => [`${STAGES}/${id}/${name}`, sha256] as const),
  );
  return new Map([...own.map(({ path, sha256 }) => [path, sha256] as const), ...saved]);
}

/** The members that differ, with their values in each run. */
function differing(all: readonly Map<string, string>[]): { name: string; values: (string | undefined)[] }[] {
  const names = new Set(all.flatMap((members) => [...members.keys()]));
  return [...names]
    .map((name) => ({ name, values: all.map((members) => members.get(name)) }))
    .filter(({ values }) => values.some((value) => value !== values[0]));
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
  return differing(all);
}

function comparedScores(manifests: readonly Manifest[]): ComparisonReport['scores'] {
  const rows = manifests.flatMap(({ scores = [] }) => scores);
  const units = new Map(rows.map(({ name, unit }) => [name, unit]));
  return [...units].map(([name, unit]) => ({
    ...{ name, unit },
    values: manifests.map(({ scores = [] }) => scores.find((score) => score.name === name)?.value),
  }));
}
