import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Stage } from '../../stages/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { Regression } from '../exit.ts';
import type { Plan } from '../file/plan.ts';
import { drafts, namesIn } from '../store/disk.ts';
import { comparedParts, differences } from './entries.ts';
import type { RunResult } from './events.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { type RunOptions, runPlan } from './runner.ts';

/**
 * Runs all stages of a run again, from its inputs, in a folder beside it, and compares every tensor, picture and file with
 * the hashes in run.json.
 * @throws InputError if the run is not done, if another version wrote it that had other stages or options, or if
 * `out` has contents: it is removed after the comparison.
 * @throws Regression with the first difference; the new folder then stays.
 */
export async function repeatRun(
  path: string,
  registry: readonly Stage[],
  options: Omit<RunOptions, 'store' | 'from' | 'until'> = {},
): Promise<RunResult & { compared: number }> {
  const { file, folder, manifest: before } = await readManifest(path);
  const plan = planOf(before, file, registry);
  const unused = join(dirname(folder), `.frozen-${basename(folder)}-${randomUUID().slice(0, 8)}`);
  const repeated = resolve(options.out ?? unused);
  if ((await namesIn(repeated)).length)
    throw new InputError('expected a new or empty folder, which is removed after the comparison', repeated);
  drafts.add(repeated);
  const result = await runPlan(plan, {
    ...options,
    out: repeated,
    // The new folder is removed: its files are not results.
    onEvent: (event) => void (event.event !== 'result' && options.onEvent?.(event)),
  });
  const { manifest: now } = await readManifest(repeated);
  const different = before.stages.flatMap((row, at) =>
    differences(row, now.stages[at]).map((name) => `${row.id}: ${name}`),
  );
  drafts.delete(repeated);
  if (different.length) throw new Regression(sentence(different, before, now, repeated, plan));
  await rm(repeated, { recursive: true, force: true });
  return { ...result, compared: now.stages.flatMap((row) => Object.keys(comparedParts(row))).length };
}

/** The plan of a finished run. */
function planOf({ status, name, seed, ...run }: Manifest, file: string, registry: readonly Stage[]): Plan {
  if (status !== 'done') {
    throw new InputError(`this run is ${status}; only a finished run can be repeated`, file);
  }
  const stages = run.stages.map(({ id, stage: stageName, options }) => {
    const stage = registry.find((one) => one.name === stageName);
    if (!stage) throw new InputError(`no stage is called ${stageName} in this version`, file);
    const parsed = stage.options.safeParse(options);
    if (parsed.success) return { id, stage, options: parsed.data, place: { file } };
    const { path: keys, message } = parsed.error.issues[0];
    throw new InputError(`${id}.${keys.join('.')}: ${message}; another version of splatline wrote it`, file);
  });
  return { name, seed, stages, file: run.file, checkpoints: { seconds: 30 } };
}

function sentence(
  different: readonly string[],
  before: Manifest,
  now: Manifest,
  repeated: string,
  { stages }: Plan,
): string {
  const [first, ...more] = different;
  const rest = more.length ? ` (and ${more.length} more)` : '';
  const changed = before.stages.find((row, at) => row.key !== now.stages[at].key);
  const varying = stages.find(({ stage }) => stage.repeats === false);
  const cause = varying
    ? `${varying.id} may give other results from the same inputs, so this run cannot be repeated to the byte`
    : JSON.stringify(before.adapter) !== JSON.stringify(now.adapter)
      ? `The run used another adapter: ${before.adapter.description}; this one is ${now.adapter.description}`
      : changed
        ? `The identity of ${changed.id} has changed since: compare it in both run.json files`
        : 'Nothing that it depends on has changed, so this adapter does not reproduce its results: please report it';
  return `${first} differs from the run in bytes${rest}. ${cause}. The repeated run is in ${repeated}`;
}
