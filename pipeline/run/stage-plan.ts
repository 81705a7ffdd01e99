import { join, resolve } from 'node:path';
import { type ArtefactFormats, artefactFormats } from '../../stages/artefacts/formats.ts';
import { type ArtefactName, stageGives } from '../../stages/stage.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { type Plan, type PlannedStage, stageIndex } from '../file/plan.ts';
import { identities, type KeyedStage, type StageIdentity } from '../keys/identity.ts';
import { type Reason, sentence, why } from '../keys/why.ts';
import { openDevice } from '../open-device.ts';
import { Checkpoints } from '../store/checkpoints.ts';
import { Store } from '../store/store.ts';
import { aboutOf, publicationOf, publishedNames } from './entries.ts';
import { STORE } from './run-folder.ts';

/** Which stages of a plan run, and in which folders. */
export interface Range {
  /** The folder for everything that the run writes. Default: `out/<name>`, with the store beside it. */
  out?: string;
  /** The store. Default: `.store` in `out`. Many runs may share one. */
  store?: string;
  /** Run this stage and those after it though their results are saved. */
  from?: string;
  /** Stop after this stage. */
  until?: string;
}

/** The run's folder and its store. The folder of a matrix cell is below the matrix's. */
export function foldersOf(
  { name, cell }: { name: string; cell?: { name: string } },
  { out, store }: Range,
): { out: string; store: Store } {
  const root = store ?? join(out ?? 'out', STORE);
  const folder = out ?? join('out', name, cell?.name ?? '');
  return { out: resolve(folder), store: new Store(resolve(root)) };
}

/** The stages up to `until`, and the ids of those that `from` forces. @throws InputError for an unknown id. */
export function rangeOf(plan: Plan, { from, until }: Range): { upTo: PlannedStage[]; forced: Set<string> } {
  const first = from === undefined ? plan.stages.length : stageIndex(plan, from, '--from');
  const last = until === undefined ? plan.stages.length - 1 : stageIndex(plan, until, '--until');
  if (from !== undefined && last < first) {
    throw new InputError(`${until} comes before ${from}, where the run would start`, `--until ${until}`);
  }
  const upTo = plan.stages.slice(0, last + 1);
  return { upTo, forced: new Set(upTo.slice(first).map(({ id }) => id)) };
}

/** The device. Without one, mistakes in the inputs are reported first. */
export async function deviceFor(stages: readonly PlannedStage[], adapter?: string): Promise<Gpu> {
  return orPreflightError(stages, openDevice({ adapter }));
}

/** The keys of these stages on this adapter. A stage's preflight explains an unusable input better than its hashing. */
export async function keysOf(
  plan: Plan,
  stages: readonly PlannedStage[],
  { adapter }: Gpu,
): Promise<KeyedStage[]> {
  return orPreflightError(stages, identities({ ...plan, stages: [...stages] }, adapter));
}

/** Checks the inputs of stages. @throws InputError */
export async function preflight(stages: readonly Pick<PlannedStage, 'stage' | 'options'>[]): Promise<void> {
  for (const { stage, options } of stages) await stage.preflight?.(options);
}

async function orPreflightError<T>(stages: readonly PlannedStage[], work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await preflight(stages);
    throw error;
  }
}

interface Known {
  stages: readonly KeyedStage[];
  /** Ids of stages that run though their results are saved. */
  forced: ReadonlySet<string>;
  store: Store;
  formats: ArtefactFormats;
}

/** Whether a stage has to run, decided without reading its saved results. */
export async function isStale(
  { id, key, stage }: KeyedStage,
  { forced, store }: Pick<Known, 'forced' | 'store'>,
): Promise<boolean> {
  return !stage.source && (forced.has(id) || !(await store.find(key)));
}

/** The stages that have to run, in order, with the sources that they read. */
export async function staleStages(known: Known): Promise<KeyedStage[]> {
  const { stages } = known;
  const stale: KeyedStage[] = [];
  for (const stage of stages) if (await isStale(stage, known)) stale.push(stage);
  const inputs = new Set(stale.flatMap(({ inputs }) => [...inputs.values()].map(({ key }) => key)));
  const sources = await unpublishedSources(known);
  return stages.filter(
    (stage) =>
      stale.includes(stage) || (stage.stage.source && (inputs.has(stage.key) || sources.includes(stage))),
  );
}

/** Sources whose splat is the run's result, unless it is published; in a plan of sources alone, all of them. */
async function unpublishedSources({ stages, store, formats }: Known): Promise<KeyedStage[]> {
  const last = new Map<ArtefactName, KeyedStage>();
  for (const stage of stages) {
    for (const name of stageGives(stage.stage, stage.options)) last.set(name, stage);
  }
  const published: KeyedStage[] = [];
  const unpublished: KeyedStage[] = [];
  for (const name of publishedNames(formats)) {
    const giver = last.get(name);
    if (!giver?.stage.source) continue;
    const { key } = publicationOf(name, { key: giver.key, name });
    ((await store.find(key)) ? published : unpublished).push(giver);
  }
  const onlySources = stages.every(({ stage }) => stage.source);
  return onlySources ? stages.filter((stage) => !published.includes(stage)) : unpublished;
}

/** What a run would do with one stage. */
export interface StagePlan {
  id: string;
  key: string;
  does: 'cached' | 'run';
  why: string;
  /** The time that the saved results took, if there are any. */
  seconds?: number;
  /** Steps of the checkpoint that the stage would resume from. */
  resumes?: number;
}

/** Says what `runPlan` would do and changes nothing. @throws what `runPlan` would before its first stage. */
export async function planRun(
  plan: Plan,
  { gpu: given, adapter, ...range }: Range & { gpu?: Gpu; adapter?: string } = {},
): Promise<StagePlan[]> {
  const { store } = foldersOf(plan, range);
  const { upTo, forced } = rangeOf(plan, range);
  const gpu = given ?? (await deviceFor(upTo, adapter));
  try {
    const stages = await keysOf(plan, upTo, gpu);
    const stale = await staleStages({ stages, forced, store, formats: artefactFormats });
    await preflight(stale);
    const saved = await savedIdentities(store);
    return await Promise.all(
      stages.map(async (stage): Promise<StagePlan> => {
        const { id, key } = stage;
        if (stage.stage.source) return { id, key, ...sourcePlan(stage, stale) };
        const entry = await store.find(key);
        const seconds = entry && aboutOf(entry).seconds;
        if (forced.has(id)) return { id, key, does: 'run', why: '--from asks for it', seconds };
        if (entry) {
          return { id, key, does: 'cached', why: 'nothing that it depends on has changed', seconds };
        }
        const resumes = (await new Checkpoints(store, key).steps()).at(-1);
        const because = explain(stage, saved, plan.name);
        return { id, key, does: 'run', why: because, ...(resumes === undefined ? {} : { resumes }) };
      }),
    );
  } finally {
    if (!given) gpu.close();
  }
}

function sourcePlan(source: KeyedStage, stale: readonly KeyedStage[]): Pick<StagePlan, 'does' | 'why'> {
  if (!stale.includes(source)) return { does: 'cached', why: 'nothing that runs needs it' };
  const reader = stale.find(({ inputs }) => [...inputs.values()].some(({ key }) => key === source.key));
  return {
    does: 'run',
    why: reader ? `${reader.id} needs it; the store keeps no copy of it` : 'it is the result of the run',
  };
}

interface SavedIdentity {
  made: string;
  /** The name of the run that saved it. */
  run?: string;
  identity: StageIdentity;
}

/** The identities of all stages in the store, the newest first. */
async function savedIdentities(store: Store): Promise<SavedIdentity[]> {
  const saved: SavedIdentity[] = [];
  for await (const entry of store.entries()) {
    const identity = entry.record.identity as StageIdentity | { publishes: unknown };
    if (!('publishes' in identity))
      saved.push({ made: entry.record.made, run: aboutOf(entry).run, identity });
  }
  return saved.sort((a, b) => (a.made < b.made ? 1 : -1));
}

/** So many differences from another run's stage still explain a key; more do not. */
const NEAR = 3;

/** Why a stage has to run: its differences from the run's own last results, else from those of the nearest other run. */
function explain({ id, identity, places }: KeyedStage, saved: readonly SavedIdentity[], run: string): string {
  const isKnown = ([first]: readonly Reason[]) => first?.cause !== 'new';
  const against = (rows: readonly SavedIdentity[]) =>
    why(
      identity,
      rows.map((row) => row.identity),
      { id, places },
    );
  const own = against(saved.filter((row) => row.run === run));
  if (isKnown(own)) return sentence(own);
  const [nearest] = saved
    .filter((row) => row.identity.stage === identity.stage)
    .map((row) => ({ run: row.run, reasons: against([row]) }))
    .sort((a, b) => a.reasons.length - b.reasons.length);
  if (!nearest || nearest.reasons.length > NEAR) return 'never run before';
  const { run: other = 'another run', reasons } = nearest;
  return `never run for ${run}; compared with ${other}: ${sentence(reasons)}`;
}
