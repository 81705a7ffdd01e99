import { join, resolve } from 'node:path';
import { type Gpu, InputError, openGpu } from '../../wgsl/core/index.ts';
import { type Plan, type PlannedStage, stageIndex } from '../file/plan.ts';
import { identities, type KeyedStage } from '../keys/identity.ts';
import { Store } from '../store/store.ts';
import { STORE } from './folder.ts';

/** Which stages, and where things lie. */
export interface Range {
  /** The folder that takes everything the run writes. Default: `out/<name>`, with the store beside it. */
  out?: string;
  /** The folder of saved work. Default: `.store` in `out`; one may serve many runs. */
  store?: string;
  /** Do this stage and those after it again, though their work is saved. */
  from?: string;
  /** Stop after this stage. */
  until?: string;
}

export interface Place {
  out: string;
  store: Store;
}

/** Of a run; a cell of a matrix has its folder below the matrix's. */
export function placeOf(
  { name, cell }: { name: string; cell?: { name: string } },
  { out, store }: Range,
): Place {
  const root = store ?? join(out ?? 'out', STORE);
  const folder = out ?? join('out', name, cell?.name ?? '');
  return { out: resolve(folder), store: new Store(resolve(root)) };
}

/** The stages up to `until`, and the ids of those that `from` forces. Throws InputError for a name that is none. */
export function rangeOf(plan: Plan, { from, until }: Range): { upTo: PlannedStage[]; forced: Set<string> } {
  const first = from === undefined ? plan.stages.length : stageIndex(plan, from, '--from');
  const last = until === undefined ? plan.stages.length - 1 : stageIndex(plan, until, '--until');
  if (from !== undefined && last < first) {
    throw new InputError(`${until} comes before ${from}, where the run would start`, `--until ${until}`);
  }
  const upTo = plan.stages.slice(0, last + 1);
  return { upTo, forced: new Set(upTo.slice(first).map(({ id }) => id)) };
}

/**
 * The keys of a plan's stages on this adapter. Inputs that cannot be used are told by the stages' own preflight, which
 * knows more of them than that they cannot be hashed.
 */
export async function keysOf(plan: Plan, stages: readonly PlannedStage[], gpu: Gpu): Promise<KeyedStage[]> {
  try {
    return await identities({ ...plan, stages: [...stages] }, gpu.adapter);
  } catch (error) {
    await preflight(stages);
    throw error;
  }
}

/** The device; where there is none, mistakes in the inputs are told first. */
export async function deviceFor(
  stages: readonly PlannedStage[],
  open: () => Promise<Gpu> = openGpu,
): Promise<Gpu> {
  try {
    return await open();
  } catch (error) {
    await preflight(stages);
    throw error;
  }
}

export async function preflight(stages: readonly Pick<PlannedStage, 'stage' | 'options'>[]): Promise<void> {
  for (const { stage, options } of stages) await stage.preflight?.(options);
}
