import { join, resolve } from 'node:path';
import { type ArtefactFormats, artefactFormats } from '../../stages/artefacts/formats.ts';
import type { Known } from '../../stages/stage.ts';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import { isMap } from '../file/describe.ts';
import { type Plan, type PlannedStage, stageIndex } from '../file/plan.ts';
import { identities, type KeyedStage, type StageIdentity } from '../keys/identity.ts';
import { sentence, why } from '../keys/why.ts';
import { openDevice } from '../open-device.ts';
import { Checkpoints } from '../store/checkpoints.ts';
import { quiet } from '../store/disk.ts';
import { Store } from '../store/store.ts';
import { aboutOf } from './entries.ts';
import { readManifest } from './manifest.ts';
import { type FetchOptions, withPinnedModels } from './models.ts';
import { STORE } from './run-folder.ts';

/** Which stages of a plan run, and in which folders. */
export interface Range {
  /** The folder for everything that the run writes. Default: `out/<name>`, with the store beside it. */
  out?: string;
  /** The store. Default: `.store` in `out`. Many runs may share one. */
  store?: string;
  /** Run this stage and later ones even if their results are saved. */
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

/** Checks the inputs of stages, and the sizes that follow from them against the limits of a device. @throws InputError */
export async function preflight(
  stages: readonly (Pick<PlannedStage, 'stage' | 'options'> & Partial<Pick<KeyedStage, 'inputs'>>)[],
  limits?: Known['limits'],
): Promise<void> {
  let known: Known = { limits };
  for (const { stage, options, inputs } of stages) {
    const found = await stage.preflight?.(options, { ...known, restyled: inputs?.has('base') });
    known = { ...known, ...found };
  }
}

/** A stage's preflight explains an unusable input better than its hashing, or a missing device. */
async function orPreflightError<T>(stages: readonly PlannedStage[], work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await preflight(stages);
    throw error;
  }
}

/** A plan with its keys on a device. */
export interface PreparedPlan {
  plan: Plan;
  /** The run's folder. */
  out: string;
  store: Store;
  gpu: Gpu;
  formats: ArtefactFormats;
  /** The stages of this run. */
  stages: readonly KeyedStage[];
  /** The same and, if their inputs can be read, those after `until`. */
  planned: readonly KeyedStage[];
  /** Ids of stages that run even if their results are saved. */
  forced: ReadonlySet<string>;
}

export interface PrepareOptions extends Range {
  /** The adapter to open, as `openGpu` takes it. */
  adapter?: string;
  /** A device to run on, which stays open. Default: a new one. */
  gpu?: Gpu;
  /** Fetches missing models of the Hugging Face Hub. Default: a missing model is an error. */
  fetch?: FetchOptions;
  /** How artefacts are saved; for tests. */
  formats?: ArtefactFormats;
}

/** Calls `body` with a plan whose stages have keys. Closes the device if it was opened for that. */
export async function withPrepared<T>(
  read: Plan,
  { gpu: given, adapter, fetch, formats = artefactFormats, ...range }: PrepareOptions,
  body: (prepared: PreparedPlan) => Promise<T>,
): Promise<T> {
  const { upTo: stages } = rangeOf(read, range);
  const gpu = given ?? (await deviceFor(stages, adapter));
  try {
    const plan = await withPinnedModels(read, { stages, fetch });
    const { upTo, forced } = rangeOf(plan, range);
    const planned = await identities(plan, gpu).catch(() =>
      orPreflightError(upTo, identities({ ...plan, stages: upTo }, gpu)),
    );
    const keyed = planned.slice(0, upTo.length);
    return await body({ plan, ...foldersOf(plan, range), gpu, formats, stages: keyed, planned, forced });
  } finally {
    if (!given) gpu.close();
  }
}

/** The stages that have to run, in order, with the sources that they read. Decided without reading saved results. */
export async function staleStages({ stages, forced, store }: PreparedPlan): Promise<KeyedStage[]> {
  const stale = new Set<KeyedStage>();
  /** Keys of results that may differ from those that saved results depend on. */
  const differing = new Set<string>();
  for (const stage of stages) {
    const isOutdated = [...stage.inputs.values()].some(({ key }) => differing.has(key));
    if (isOutdated) differing.add(stage.key);
    if (stage.stage.source) continue;
    if (!isOutdated && !forced.has(stage.id) && (await store.find(stage.key))) continue;
    stale.add(stage);
    if (stage.stage.repeats === false) differing.add(stage.key);
  }
  const inputs = new Set([...stale].flatMap((stage) => [...stage.inputs.values()].map(({ key }) => key)));
  const onlySources = stages.every(({ stage }) => stage.source);
  for (const source of stages) {
    if (source.stage.source && (inputs.has(source.key) || onlySources)) stale.add(source);
  }
  return stages.filter((stage) => stale.has(stage));
}

/** The planned work of one stage. */
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

/** Lists the work of `runPlan` and changes nothing. @throws the errors of `runPlan` before its first stage. */
export async function planRun(plan: Plan, options: PrepareOptions = {}): Promise<StagePlan[]> {
  return withPrepared(plan, options, async (prepared) => {
    const { stages, store } = prepared;
    store.keepsDamaged = true;
    const stale = await staleStages(prepared);
    await preflight(stale, prepared.gpu.device.limits);
    const reasons = await reasonsOf(prepared, stale);
    return Promise.all(
      stages.map(async (stage): Promise<StagePlan> => {
        const { id, key } = stage;
        const { does, why } = reasons.get(id)!;
        if (stage.stage.source) return { id, key, does, why };
        const entry = await store.find(key);
        if (entry) return { id, key, does, why, seconds: aboutOf(entry).seconds };
        const resumes = (await new Checkpoints(store, key).steps()).at(-1);
        return { id, key, does, why, ...(resumes === undefined ? {} : { resumes }) };
      }),
    );
  });
}

type Reason = Pick<StagePlan, 'does' | 'why'>;

/** Whether each stage runs, by id, and why, before anything runs. */
export async function reasonsOf(
  prepared: PreparedPlan,
  stale: readonly KeyedStage[],
): Promise<Map<string, Reason>> {
  const { plan, stages, forced, store } = prepared;
  const saved = stale.length ? await savedIdentities(prepared) : [];
  const reasonOf = async (stage: KeyedStage): Promise<Reason> => {
    if (stage.stage.source) return sourcePlan(stage, stale);
    if (forced.has(stage.id)) return { does: 'run', why: '--from requires it' };
    if (!stale.includes(stage)) return { does: 'cached', why: 'nothing that it depends on has changed' };
    if (await store.find(stage.key))
      return { does: 'run', why: 'a stage before it runs again and may give other results' };
    return { does: 'run', why: explain(stage, saved, plan.name) };
  };
  return new Map(await Promise.all(stages.map(async (one) => [one.id, await reasonOf(one)] as const)));
}

function sourcePlan(source: KeyedStage, stale: readonly KeyedStage[]): Reason {
  if (!stale.includes(source)) return { does: 'cached', why: 'nothing that runs needs it' };
  const reader = stale.find(({ inputs }) => [...inputs.values()].some(({ key }) => key === source.key));
  return {
    does: 'run',
    why: reader ? `${reader.id} needs it; the store keeps no copy of it` : 'it is the result of the run',
  };
}

/** A stage's identity in an earlier run, and the name of that run. */
interface SavedIdentity {
  made: string;
  run: string;
  identity: StageIdentity;
}

/** The identities of all stages in the store, the newest first, after those of the folder's last run. */
async function savedIdentities({ out, store }: PreparedPlan): Promise<SavedIdentity[]> {
  const saved: SavedIdentity[] = [];
  for await (const entry of store.entries()) {
    const { made, identity } = entry.record;
    const about = quiet(() => aboutOf(entry));
    if (about && isMap(identity)) saved.push({ made, run: about.run, identity: identity as never });
  }
  saved.sort((a, b) => (a.made < b.made ? 1 : -1));
  const last = await readManifest(out).catch(() => undefined);
  for (const { identity, resolvedBy } of last?.manifest.stages ?? []) {
    if (resolvedBy !== 'unused') saved.unshift({ made: '', run: last!.manifest.name, identity });
  }
  return saved;
}

/** Maximum number of differences from another run's stage that still explain a key. */
const NEAR = 3;

/** Why a stage has to run: its differences from the run's own last results, else from those of the nearest other run. */
function explain({ id, identity, places }: KeyedStage, saved: readonly SavedIdentity[], run: string): string {
  const [nearest] = saved
    .filter((row) => row.identity.stage === identity.stage)
    .map((row) => ({ run: row.run, reasons: why(row.identity, identity, { id, places }) }))
    .sort((a, b) => Number(b.run === run) - Number(a.run === run) || a.reasons.length - b.reasons.length);
  if (nearest?.reasons.length === 0) return 'its saved results are not in the store';
  if (nearest?.run === run) return sentence(nearest.reasons);
  if (!nearest || nearest.reasons.length > NEAR) return 'never run before';
  return `never run for ${run}; compared with ${nearest.run}: ${sentence(nearest.reasons)}`;
}
