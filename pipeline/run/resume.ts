import { isDeepStrictEqual } from 'node:util';
import type { ArtefactFormats } from '../../stages/artefacts/formats.ts';
import { type ArtefactName, stageGives } from '../../stages/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { literal } from '../file/describe.ts';
import { type Plan, type PlannedStage, stageIndex } from '../file/plan.ts';
import type { StageIdentity } from './lineage.ts';
import { type MadeBy, StageStore } from './store.ts';

/** What a run does, in order: which earlier outputs it takes up, which source stages it repeats, what it runs. */
export interface Schedule {
  /** Artefacts of an earlier run, each from the last stage that gave it. */
  load: { id: string; name: ArtefactName }[];
  /** Source stages before `from`, which read the user's files again. */
  repeat: PlannedStage[];
  run: PlannedStage[];
  /** All stages of the plan up to the last that runs. */
  upTo: PlannedStage[];
}

/**
 * Plans a run of `plan` from one stage to another. Throws InputError where `--from` cannot be honoured: nothing is saved,
 * or what is saved was made with another seed. The rest is `checkLineage`'s.
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
  const ids = new Set(load.map((item) => item.id));
  if (ids.size && from !== undefined) await checkSaved(plan, root, [...ids], from);
  return {
    load,
    repeat: plan.stages.filter((stage) => repeat.has(stage)),
    run,
    upTo: plan.stages.slice(0, last + 1),
  };
}

/** Artefacts that these stages take, and those that are published at the end. */
export function wantedBy(stages: readonly PlannedStage[], formats: ArtefactFormats): Set<ArtefactName> {
  const published = (Object.keys(formats) as ArtefactName[]).filter((name) => formats[name].publish);
  return new Set([...stages.flatMap(({ stage }) => [...stage.needs, ...(stage.uses ?? [])]), ...published]);
}

async function checkSaved(plan: Plan, root: string, ids: readonly string[], from: string): Promise<void> {
  const place = `--from ${from}`;
  for (const id of ids) {
    const record = await StageStore.record(root, id);
    if (!record) throw new InputError(`${id} has not run in ${root}; run without --from`, place);
    if (record.seed !== plan.seed) {
      throw new InputError(
        `${id} ran with seed ${record.seed}, and the seed is now ${plan.seed}; run without --from`,
        place,
      );
    }
  }
}

/**
 * Compares what was saved with `lineage`, the stages as they would run now. Throws InputError where an option, an input
 * file or a prompt's text has changed, naming it.
 */
export async function checkLineage(
  { load }: Schedule,
  lineage: readonly StageIdentity[],
  root: string,
  from: string,
): Promise<void> {
  for (const id of new Set(load.map((item) => item.id))) {
    const before = (await StageStore.record(root, id))?.lineage ?? [];
    const now = lineage.slice(0, lineage.findIndex((identity) => identity.id === id) + 1);
    const changed = now.findIndex((identity, index) => !isDeepStrictEqual(identity, before[index]));
    if (changed < 0 && now.length === before.length) continue;
    const { id: culprit } = now[Math.max(0, changed)];
    throw new InputError(
      `${id} was saved after other work: ${culprit} ${difference(before[changed], now[changed])}; ` +
        `run from ${culprit}, or undo the change`,
      `--from ${from}`,
    );
  }
}

/** What may change results but need not, for each stage that is taken as saved: another version, another adapter. */
export async function madeOtherwise({ load }: Schedule, root: string, now: MadeBy): Promise<string[]> {
  const sentences: string[] = [];
  for (const id of new Set(load.map((item) => item.id))) {
    const then = (await StageStore.record(root, id))?.madeBy;
    for (const part of ['splatline', 'adapter'] as const) {
      if (then?.[part] === now[part]) continue;
      const made = then?.[part] ?? 'unknown';
      sentences.push(
        `${id} was made with ${part} ${made}, and this is ${now[part]}: a whole run may give other bytes`,
      );
    }
  }
  return sentences;
}

/** The first thing that differs, in words: an option, a file or a text. */
function difference(before: StageIdentity | undefined, now: StageIdentity | undefined): string {
  if (!before || !now || before.id !== now.id || before.stage !== now.stage)
    return 'is not where it was in the file';
  const option = firstDifference(before.options, now.options);
  if (option) return `ran with ${option.key} ${literal(option.a)}, and it is now ${literal(option.b)}`;
  const file = firstDifference(before.files, now.files);
  if (file) {
    if (file.a === undefined) return `did not read ${file.key}`;
    return file.b === undefined
      ? `read ${file.key}, and no longer does`
      : `read ${file.key}, which has changed since`;
  }
  const text = firstDifference(before.texts, now.texts);
  return `ran with the ${text?.key} ${literal(text?.a)}, and it is now ${literal(text?.b)}`;
}

function firstDifference(before: unknown, now: unknown): { key: string; a: unknown; b: unknown } | undefined {
  const [a, b] = [before, now].map((value) => (value ?? {}) as Record<string, unknown>);
  const key = [...new Set([...Object.keys(a), ...Object.keys(b)])].find(
    (name) => !isDeepStrictEqual(a[name], b[name]),
  );
  return key === undefined ? undefined : { key, a: a[key], b: b[key] };
}
