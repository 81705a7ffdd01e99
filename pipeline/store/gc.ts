import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { explainDiskError, ignore, isDiskFull, namesIn } from './disk.ts';
import { isKey } from './entry.ts';
import { Lock, lifeOf } from './locks.ts';
import type { Store } from './store.ts';

export interface CollectOptions {
  /** Frees what was last used longer ago, milliseconds. */
  olderThanMs?: number;
  /** Frees the least recently used until entries and checkpoints together have at most so many bytes. */
  maxBytes?: number;
  /** Only reports what would be freed. */
  dryRun?: boolean;
}

/** Something in the store. Bytes that a run's folder shares by hard links are freed only when that is deleted, too. */
export interface StoreItem {
  what: 'entry' | 'checkpoints' | 'damaged' | 'leftover' | 'lock' | 'run';
  /** The key, or the name in its directory; of a run, its folder. */
  name: string;
  path: string;
  bytes: number;
  /** Why it was freed or kept, in words. */
  why: string;
}

export interface Collected {
  freed: StoreItem[];
  /** Entries and checkpoints that stay. */
  kept: StoreItem[];
}

/** An entry, or the checkpoints of a key. */
interface Saved {
  item: Omit<StoreItem, 'why'>;
  usedAt: number;
  /** Keys of entries that this one needs. */
  refers: readonly string[];
}

/** The owner of a temporary directory that another host wrote cannot be looked up, so it stays this long. */
const FOREIGN_TMP_MS = 7 * 24 * 3600 * 1000;
const aboutSchema = z.object({ refers: z.array(z.string()) });

/**
 * Frees what nothing needs. Always: leftovers of killed processes, damaged entries, checkpoints of finished stages, notes
 * of deleted runs. If `olderThanMs` or `maxBytes` asks for it: entries and checkpoints, the least recently used first,
 * except those that a kept run needs, directly or through `about.refers`, and those that a process holds. A run is kept
 * while its run.json exists. Ages are differences of the wall clock; a clock that was set back frees less, not more.
 * @throws InputError if the disk cannot be written.
 */
export async function collect(store: Store, options: CollectOptions = {}): Promise<Collected> {
  const collector = new Collector(store, options);
  try {
    if (await store.exists()) {
      await collector.freeGarbage();
      await collector.freeUnused();
    }
  } catch (error) {
    throw explainDiskError(error, store.root);
  }
  return { freed: collector.freed, kept: collector.kept };
}

class Collector {
  readonly freed: StoreItem[] = [];
  readonly kept: StoreItem[] = [];
  readonly #store: Store;
  readonly #options: CollectOptions;
  readonly #now = Date.now();

  constructor(store: Store, options: CollectOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** Frees what is useless at any age. */
  async freeGarbage(): Promise<void> {
    const store = this.#store;
    const leftovers: StoreItem[] = [];
    for (const name of await namesIn(store.path('tmp'))) {
      const path = store.path('tmp', name);
      const isOld = lifeOf(name) === 'unknown' && this.#now - (await changedAt(path)) > FOREIGN_TMP_MS;
      if (lifeOf(name) !== 'dead' && !isOld) continue;
      const why = isOld ? 'older than a week' : 'its process is gone';
      leftovers.push({ what: 'leftover', name, path, bytes: await bytesBelow(path), why });
    }
    // All are listed before the first is freed, because the first write also deletes those of dead processes.
    for (const item of leftovers) await this.#free(item);
    for (const { kept, folder, note } of await store.runs.all()) {
      if (kept) continue;
      await this.#free({ what: 'run', name: folder, path: note, bytes: 0, why: 'its run.json is gone' });
    }
    for (const key of await store.lockedKeys()) {
      if (store.holder(key)) continue;
      const lock = await this.#lock(key); // which removes the dead owner's lease, and no one else's
      if (typeof lock === 'string') continue;
      await lock?.release();
      const path = store.path('locks', `${key}.lock`);
      this.freed.push({ what: 'lock', name: key, path, bytes: 0, why: 'its process is gone' });
    }
    // `find` sets damaged entries aside.
    if (!this.#options.dryRun) for (const key of await store.keys()) await this.#isComplete(key);
    for (const name of await namesIn(store.path('damaged'))) {
      const path = store.path('damaged', name);
      await this.#free({ what: 'damaged', name, path, bytes: await bytesBelow(path), why: 'damaged' });
    }
    for (const saved of await this.#checkpoints()) {
      if (await this.#isComplete(saved.item.name)) await this.#freeLocked(saved, 'the stage is finished');
    }
  }

  /** Frees saved work by age and size. */
  async freeUnused(): Promise<void> {
    const { olderThanMs = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = this.#options;
    const entries = await this.#entries();
    const needed = new Map<string, string>();
    const need = (keys: readonly string[], why: string): void => {
      for (const key of keys) {
        if (needed.has(key)) continue;
        needed.set(key, why);
        need(entries.get(key)?.refers ?? [], why);
      }
    };
    for (const { kept, keys, folder } of await this.#store.runs.all()) {
      if (kept) need(keys, `the run in ${folder} needs it`);
    }
    const unfinished = (await this.#checkpoints()).filter(({ item }) => !entries.has(item.name));
    const all = [...orderOfUse(entries), ...unfinished].sort((a, b) => a.usedAt - b.usedAt);
    let total = all.reduce((sum, { item }) => sum + item.bytes, 0);
    for (const saved of all) {
      const { item, usedAt, refers } = saved;
      const isOld = this.#now - usedAt > olderThanMs;
      const stays = needed.get(item.name) ?? (isOld || total > maxBytes ? undefined : 'no limit asks for it');
      const goes = isOld
        ? `not used since ${new Date(usedAt).toISOString()}`
        : `the store holds ${total} bytes, and ${maxBytes} are allowed`;
      if (stays !== undefined) this.kept.push({ ...item, why: stays });
      else if (await this.#freeLocked(saved, goes)) total -= item.bytes;
      else need(refers, `${item.name} needs it`);
    }
  }

  /** Frees an entry or checkpoints under the key's lock. Keeps what another process holds or has just used: false. */
  async #freeLocked({ item, usedAt }: Saved, why: string): Promise<boolean> {
    const lock = await this.#lock(item.name);
    const lastUse = item.what === 'entry' ? await this.#store.lastUse(item.name) : undefined;
    let stays: string | undefined;
    if (typeof lock === 'string') stays = `in use by ${lock}`;
    else if (lastUse !== undefined && lastUse > usedAt) stays = 'it has just been used';
    try {
      if (stays === undefined) await this.#free({ ...item, why });
      else this.kept.push({ ...item, why: stays });
    } finally {
      if (lock instanceof Lock) await lock.release();
    }
    return stays === undefined;
  }

  /** The lock, or its holder, or neither in a dry run or on a full disk. */
  async #lock(key: string): Promise<Lock | string | undefined> {
    if (this.#options.dryRun) return this.#store.holder(key);
    return this.#store.tryLock(key).catch((error: unknown) => {
      // A full disk takes no lock file, and freeing is the remedy.
      if (isDiskFull(error)) return this.#store.holder(key);
      throw error;
    });
  }

  async #free(item: StoreItem): Promise<void> {
    if (!this.#options.dryRun) await this.#store.remove(item.path);
    this.freed.push(item);
  }

  /** Whether there is an undamaged entry. One of a newer version counts as none, and stays. */
  async #isComplete(key: string): Promise<boolean> {
    return this.#store.find(key).then(Boolean, (error: unknown) => {
      if (error instanceof InputError) return false;
      throw error;
    });
  }

  async #entries(): Promise<Map<string, Saved>> {
    const entries = new Map<string, Saved>();
    for await (const { key, folder: path, record } of this.#store.entries()) {
      const bytes = record.files.reduce((sum, file) => sum + file.bytes, 0);
      const refers = aboutSchema.safeParse(record.about).data?.refers ?? [];
      const usedAt = (await this.#store.lastUse(key)) ?? this.#now;
      entries.set(key, { item: { what: 'entry', name: key, path, bytes }, usedAt, refers });
    }
    return entries;
  }

  async #checkpoints(): Promise<Saved[]> {
    const saved: Saved[] = [];
    for (const name of (await namesIn(this.#store.path('checkpoints'))).filter(isKey)) {
      const path = this.#store.path('checkpoints', name);
      const item = { what: 'checkpoints', name, path, bytes: await bytesBelow(path) } as const;
      saved.push({ item, usedAt: await changedAt(path), refers: [] });
    }
    return saved;
  }
}

/**
 * Entries by last use. A use of an entry is also a use of those that it refers to. It comes before those, so that no
 * entry is left without one that it needs.
 */
export function orderOfUse(entries: ReadonlyMap<string, Saved>): Saved[] {
  const uses = new Map<string, Saved & { depth: number }>();
  const use = (key: string, usedAt: number, above: readonly string[]): void => {
    const entry = entries.get(key);
    if (!entry || above.includes(key)) return; // only a damaged record has a cycle
    const before = uses.get(key) ?? { ...entry, depth: 0 };
    const latest = Math.max(before.usedAt, usedAt);
    uses.set(key, { ...before, usedAt: latest, depth: Math.max(before.depth, above.length) });
    for (const next of entry.refers) use(next, latest, [...above, key]);
  };
  for (const [key, { usedAt }] of entries) use(key, usedAt, []);
  return [...uses.values()].sort((a, b) => a.usedAt - b.usedAt || a.depth - b.depth);
}

async function changedAt(path: string): Promise<number> {
  return (await stat(path).catch(ignore('ENOENT')))?.mtimeMs ?? Date.now();
}

/** The size of all files; those that vanish meanwhile count as nothing. */
async function bytesBelow(path: string): Promise<number> {
  const info = await stat(path).catch(ignore('ENOENT'));
  if (!info?.isDirectory()) return info?.size ?? 0;
  let sum = 0;
  for (const name of await namesIn(path)) sum += await bytesBelow(join(path, name));
  return sum;
}
