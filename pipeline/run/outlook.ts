import { artefactFormats } from '../../stages/artefacts/formats.ts';
import { type Gpu, openGpu } from '../../wgsl/core/index.ts';
import type { Plan } from '../file/plan.ts';
import type { KeyedStage, StageIdentity } from '../keys/identity.ts';
import { sentence, why } from '../keys/why.ts';
import type { Store } from '../store/store.ts';
import { missingStages } from './missing.ts';
import { aboutOf } from './outputs.ts';
import { deviceFor, keysOf, placeOf, preflight, type Range, rangeOf } from './prepare.ts';

/** What a run would do with one stage. */
export interface Outlook {
  id: string;
  key: string;
  does: 'cached' | 'run';
  why: string;
  /** What the saved work took, where there is some. */
  seconds?: number;
  /** Finished steps of unfinished work that it would go on from. */
  resumes?: number;
}

/** Says what `runPlan` would do, and does nothing. @throws what `runPlan` would before its first stage. */
export async function planRun(
  plan: Plan,
  { gpu: given, adapter, ...range }: Range & { gpu?: Gpu; adapter?: string } = {},
): Promise<Outlook[]> {
  const { store } = placeOf(plan, range);
  const { upTo, forced } = rangeOf(plan, range);
  const gpu = given ?? (await deviceFor(upTo, () => openGpu({ adapter })));
  try {
    const stages = await keysOf(plan, upTo, gpu);
    const missing = await missingStages({ stages, forced, store, formats: artefactFormats });
    await preflight(missing);
    const known = await knownIdentities(store);
    return await Promise.all(
      stages.map((stage) =>
        stage.stage.source
          ? sourceOutlook(stage, missing)
          : outlook(stage, { store, known, forced: forced.has(stage.id) }),
      ),
    );
  } finally {
    if (!given) gpu.close();
  }
}

async function outlook(
  { id, key, identity, places }: KeyedStage,
  { store, known, forced }: { store: Store; known: readonly StageIdentity[]; forced: boolean },
): Promise<Outlook> {
  const entry = await store.find(key);
  const seconds = entry && aboutOf(entry).seconds;
  if (forced) return { id, key, does: 'run', why: '--from asks for it', seconds };
  if (entry) return { id, key, does: 'cached', why: 'nothing that it depends on has changed', seconds };
  const steps = await store.checkpoints(key).steps();
  const because = sentence(why(identity, known, { id, places }));
  return { id, key, does: 'run', why: because, ...(steps.length ? { resumes: steps.at(-1) } : {}) };
}

function sourceOutlook(source: KeyedStage, missing: readonly KeyedStage[]): Outlook {
  const { id, key } = source;
  if (!missing.includes(source)) return { id, key, does: 'cached', why: 'nothing that runs needs it' };
  const reader = missing.find(({ inputs }) => [...inputs.values()].some((giver) => giver.key === key));
  const why = reader ? `${reader.id} needs it; what it reads is not kept twice` : 'it is what the run shows';
  return { id, key, does: 'run', why };
}

/** Of everything in the store that a stage made, the newest first. */
async function knownIdentities(store: Store): Promise<StageIdentity[]> {
  const known: { made: string; identity: StageIdentity }[] = [];
  for await (const { record } of store.entries()) {
    const identity = record.identity as StageIdentity | { publishes: unknown };
    if (!('publishes' in identity)) known.push({ made: record.made, identity });
  }
  return known.sort((a, b) => (a.made < b.made ? 1 : -1)).map(({ identity }) => identity);
}
