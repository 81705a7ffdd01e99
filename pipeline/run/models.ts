import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type HubModel, hubCache, parseHubName, repositoryFolder } from '../../stages/clip/hub-cache.ts';
import { pinnedName } from '../../stages/clip/resolve.ts';
import { InputError } from '../../wgsl/core/index.ts';
import type { Plan, PlannedStage } from '../file/plan.ts';
import { mapPaths } from '../file/schema.ts';
import { lock } from '../store/lock.ts';
import { RateMeter, type RunEvent } from './events.ts';

/** Milliseconds between two reports of a download. */
const REPORT_MS = 100;

export interface FetchOptions {
  signal?: AbortSignal;
  onEvent?(event: RunEvent): void;
}

/**
 * A plan whose models of the Hugging Face Hub are named with their commits, which are then part of the keys and of run.json.
 * With `fetch`, fetches the missing models of these stages; other missing ones keep their names.
 * @throws InputError when a model cannot be fetched.
 */
export async function withPinnedModels(
  plan: Plan,
  { stages, fetch }: { stages: readonly PlannedStage[]; fetch?: FetchOptions },
): Promise<Plan> {
  const pin = async (planned: PlannedStage): Promise<PlannedStage> => {
    const pinned = new Map<string, string>();
    mapNames(planned, (name) => {
      pinned.set(name, name);
      return name;
    });
    for (const name of pinned.keys()) {
      const isWanted = fetch && stages.includes(planned);
      pinned.set(name, isWanted ? await fetchModel(name, fetch) : ((await pinnedName(name)) ?? name));
    }
    return pinned.size ? { ...planned, options: mapNames(planned, (name) => pinned.get(name)!) } : planned;
  };
  const pinned: PlannedStage[] = [];
  for (const planned of plan.stages) pinned.push(await pin(planned));
  return { ...plan, stages: pinned };
}

/** The options with `replace` for each name of a model of the Hub. */
function mapNames({ stage, options }: PlannedStage, replace: (name: string) => string): unknown {
  return mapPaths(options, stage.options, ({ mayBeName, value }) =>
    mayBeName && parseHubName(value) ? replace(value) : value,
  );
}

/**
 * `owner/name@commit` of a model that the cache holds afterwards. Asks the Hub only if the cache lacks the model, or to
 * `update` a revision. Several processes fetch one after the other.
 * @throws InputError
 */
export async function fetchModel(
  model: string,
  { signal, onEvent, update }: FetchOptions & { update?: boolean } = {},
): Promise<string> {
  const hub = parseHubName(model);
  if (!hub) throw new InputError('expected owner/name or owner/name@revision of the Hugging Face Hub', model);
  const known = async () => (update ? undefined : await pinnedName(model));
  const found = await known();
  if (found) return found;
  try {
    return await fetchLocked(hub, model, known, { signal, onEvent });
  } catch (error) {
    const { code, syscall, path = hubCache() } = error as NodeJS.ErrnoException;
    if (!syscall) throw error;
    const advice = 'free space there or make it writable, or set HF_HOME to another folder';
    throw new InputError(`cannot be written (${code}): ${advice}`, path);
  }
}

async function fetchLocked(
  hub: HubModel,
  model: string,
  known: () => Promise<string | undefined>,
  { signal, onEvent }: FetchOptions,
): Promise<string> {
  const lease = join(hubCache(), '.locks', `${basename(repositoryFolder(hub.name))}.splatline`);
  await mkdir(dirname(lease), { recursive: true });
  const fetchLock = await lock(lease, {
    signal,
    onWait: (holder) =>
      onEvent?.({ event: 'wait', stage: '', text: `${holder} is fetching ${model}; waiting until it ends` }),
  });
  try {
    const { downloadModel } = await import('../../stages/clip/hub-download.ts');
    const meter = new RateMeter();
    let reportedAt = 0;
    const onProgress = (bytes: number, total: number) => {
      const now = performance.now();
      if (bytes < total && now - reportedAt < REPORT_MS) return;
      reportedAt = now;
      onEvent?.({ event: 'fetch', model, bytes, total, ...meter.mark(bytes, total) });
    };
    return (await known()) ?? `${hub.name}@${await downloadModel(hub, { signal, onProgress })}`;
  } finally {
    fetchLock.release();
  }
}
