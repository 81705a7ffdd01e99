import { isDeepStrictEqual } from 'node:util';
import type { ArtefactFormats } from '../../stages/artefacts/formats.ts';
import { type ArtefactName, stageGives } from '../../stages/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { literal } from '../file/describe.ts';
import { type Plan, type PlannedStage, stageIndex } from '../file/plan.ts';
import { type StageIdentity, StageStore } from './store.ts';

/** What a run does, in order: which earlier outputs it takes up, which source stages it repeats, what it runs. */
export interface Schedule {
  /** Artefacts of an earlier run, each from the last stage that gave it. */
  load: { id: string; name: ArtefactName }[];
  /** Source stages before `from`, which read the user's files again. */
  repeat: PlannedStage[];
  run: PlannedStage[];
}

/** What a stage's output depends on, beside the seed: itself and everything before it. */
export function lineageOf(plan: Plan, stage: PlannedStage): StageIdentity[] {
  const until = plan.stages.indexOf(stage) + 1;
  // Through JSON, so that it compares with what was saved: undefined is absent, typed arrays are plain.
  return plan.stages
    .slice(0, until)
    .map(
      ({ id, stage: { name }, options }) =>
        JSON.parse(JSON.stringify({ id, stage: name, options })) as StageIdentity,
    );
}

/**
 * Plans a run of `plan` from one stage to another. Throws InputError where `--from` cannot be honoured: nothing is saved,
 * or what is saved was made with other options or another seed.
 */
export async function schedule(
  plan: Plan,
  root: string,
  formats: ArtefactFormats,
  { from, until }: { from?: string; until?: string },
): Promise<Schedule> {
  const first = from === undefined ? 0 : stageIndex(plan, from, '--from');
  const last = until === undefined ? plan.stages.length - 1 : stageIndex(plan, until, '--until');
  if (last < first) {
    throw new InputError(`${until} comes before ${from}, where the run would start`, `--until ${until}`);
  }
  const run = plan.stages.slice(first, last + 1);
  const giver = new Map<ArtefactName, PlannedStage>();
  for (const stage of plan.stages.slice(0, first)) {
    for (const name of stageGives(stage.stage, stage.options)) giver.set(name, stage);
  }
  const wanted = wantedBy(run, formats);
  const load: Schedule['load'] = [];
  const repeat = new Set<PlannedStage>();
  for (const [name, stage] of giver) {
    if (!wanted.has(name)) continue;
    if (stage.stage.source) repeat.add(stage);
    else load.push({ id: stage.id, name });
  }
  for (const id of new Set(load.map((item) => item.id))) await checkSaved(plan, root, id, from!);
  return { load, repeat: plan.stages.filter((stage) => repeat.has(stage)), run };
}

/** Artefacts that these stages take, and those that are published at the end. */
export function wantedBy(stages: readonly PlannedStage[], formats: ArtefactFormats): Set<ArtefactName> {
  const published = (Object.keys(formats) as ArtefactName[]).filter((name) => formats[name].publish);
  return new Set([...stages.flatMap(({ stage }) => [...stage.needs, ...(stage.uses ?? [])]), ...published]);
}

async function checkSaved(plan: Plan, root: string, id: string, from: string): Promise<void> {
  const place = `--from ${from}`;
  const record = await StageStore.record(root, id);
  if (!record) {
    throw new InputError(`${id} has not run in ${root}; run from ${id}, or without --from`, place);
  }
  if (record.seed !== plan.seed) {
    throw new InputError(
      `${id} ran with seed ${record.seed}, and the seed is now ${plan.seed}; run without --from`,
      place,
    );
  }
  const stage = plan.stages.find((candidate) => candidate.id === id)!;
  const now = lineageOf(plan, stage);
  const changed = now.findIndex((identity, index) => !isDeepStrictEqual(identity, record.lineage[index]));
  if (changed < 0 && now.length === record.lineage.length) return;
  const { id: culprit } = now[Math.max(0, changed)];
  const what = difference(record.lineage[changed], now[changed]);
  throw new InputError(
    `${id} was saved after other work: ${culprit} ${what}; run from ${culprit}, or undo the change`,
    place,
  );
}

/** The first option that differs, in words. */
function difference(before: StageIdentity | undefined, now: StageIdentity | undefined): string {
  if (!before || !now || before.id !== now.id || before.stage !== now.stage)
    return 'is not where it was in the file';
  const [a, b] = [before.options, now.options].map((options) => (options ?? {}) as Record<string, unknown>);
  const key = [...new Set([...Object.keys(a), ...Object.keys(b)])].find(
    (name) => !isDeepStrictEqual(a[name], b[name]),
  );
  return `ran with ${key} ${literal(a[key ?? ''])}, and it is now ${literal(b[key ?? ''])}`;
}
