import { rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { checkJson, readJson } from '../../stages/artefacts/json.ts';
import type { Stage } from '../../stages/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import { Regression } from '../regression.ts';
import { differences, type StageOutput } from './entries.ts';
import type { RunResult } from './events.ts';
import type { Manifest, StageRow } from './manifest.ts';
import { MANIFEST } from './run-folder.ts';
import { type RunOptions, runPlan } from './runner.ts';

/** The fields of a run.json that `repeatRun` reads. */
const frozenSchema = z.object({
  format: z.literal(1),
  status: z.string(),
  name: z.string(),
  seed: z.number(),
  file: z.string(),
  until: z.string().optional(),
  adapter: z.record(z.string(), z.unknown()),
  stages: z
    .array(
      z.object({
        id: z.string(),
        stage: z.string(),
        key: z.string(),
        options: z.unknown(),
        outputs: z.array(z.object({ path: z.string(), bytes: z.number(), sha256: z.string() })),
        parts: z.record(z.string(), z.record(z.string(), z.string())),
      }),
    )
    .min(1),
});
type Frozen = z.output<typeof frozenSchema>;

/** The run that a `run.json`, or the folder with one, describes. @throws InputError where it cannot be repeated. */
export async function readFrozen(
  path: string,
  registry: readonly Stage[],
): Promise<{ frozen: Frozen; plan: Plan }> {
  const file = basename(path).endsWith('.json') ? path : join(path, MANIFEST);
  const frozen = checkJson(file, frozenSchema, await readJson(file));
  if (frozen.status !== 'done') {
    throw new InputError(`this run is ${frozen.status}; only one that is done can be repeated`, file);
  }
  const stages = frozen.stages.map(({ id, stage: name, options }) => {
    const stage = registry.find((one) => one.name === name);
    if (!stage) throw new InputError(`no stage is called ${name} in this version`, file);
    const parsed = stage.options.safeParse(options);
    if (parsed.success) return { id, stage, options: parsed.data, place: { file } };
    const { path: keys, message } = parsed.error.issues[0];
    throw new InputError(`${id}.${keys.join('.')}: ${message}; another version of splatline wrote it`, file);
  });
  const { name, seed } = frozen;
  return { frozen, plan: { name, seed, stages, file: frozen.file, checkpoints: { seconds: 30 } } };
}

/**
 * Runs all stages of a run again, from its inputs, in a folder beside it, and compares every tensor, picture and file with
 * those that run.json lists.
 * @throws Regression that names the first difference; the new folder then stays.
 */
export async function repeatRun(
  path: string,
  registry: readonly Stage[],
  options: Omit<RunOptions, 'store' | 'from' | 'until'> = {},
): Promise<RunResult & { compared: number }> {
  const { frozen, plan } = await readFrozen(path, registry);
  const run = basename(path).endsWith('.json') ? dirname(resolve(path)) : resolve(path);
  const aside = resolve(options.out ?? join(dirname(run), `.frozen-${basename(run)}`));
  await rm(aside, { recursive: true, force: true });
  const result = await runPlan(plan, {
    ...options,
    out: aside,
    // The new folder is removed again: its files are no results.
    onEvent: (event) => void (event.event !== 'result' && options.onEvent?.(event)),
  });
  const now = (await readJson(join(aside, MANIFEST))) as Manifest;
  const different = frozen.stages.flatMap((before, at) =>
    differences(before as StageOutput, now.stages[at]).map((name) => `${before.id}: ${name}`),
  );
  if (different.length) throw new Regression(sentence(different, frozen, now, aside));
  await rm(aside, { recursive: true, force: true });
  return { ...result, compared: now.stages.reduce((sum, row) => sum + compared(row), 0) };
}

function compared({ parts, outputs }: StageRow): number {
  return Object.values(parts).reduce((sum, part) => sum + Object.keys(part).length, 0) || outputs.length;
}

function sentence(different: readonly string[], frozen: Frozen, now: Manifest, aside: string): string {
  const [first, ...more] = different;
  const rest = more.length ? ` (and ${more.length} more)` : '';
  const key = frozen.stages.findIndex((row, at) => row.key !== now.stages[at].key);
  const cause =
    JSON.stringify(frozen.adapter) !== JSON.stringify(now.adapter)
      ? `The run was made on another adapter: ${frozen.adapter.description}; this is ${now.adapter.description}`
      : key < 0
        ? 'Nothing that it depends on has changed, so this adapter does not repeat its results: please report it'
        : `What ${frozen.stages[key].id} depends on has changed since: compare its identity in both run.json`;
  return `${first} differs from the run in bytes${rest}. ${cause}. The repeated run is in ${aside}`;
}
