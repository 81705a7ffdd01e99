import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { explainDiskError, ignore, namesIn } from './disk.ts';
import { isKey, RECORD } from './entry.ts';
import { holderOf, isDead, removeUnheld } from './lock.ts';
import type { Store, StorePart } from './store.ts';

export interface CollectOptions {
  /** Frees entries last used longer ago, milliseconds. */
  olderThanMs?: number;
  /** Frees the least recently used until entries and checkpoints together have at most this many bytes. */
  maxBytes?: number;
  /** Only reports what would be freed. */
  dryRun?: boolean;
}

/** Something in the store. Bytes that a run's folder shares by hard links are freed only when that is deleted, too. */
export interface StoreItem {
  what: 'entry' | 'checkpoints' | 'damaged' | 'leftover' | 'lock';
  /** The key, or the name in its directory. */
  name: string;
  path: string;
  bytes: number;
  /** When it was last used or changed, in milliseconds of the wall clock. */
  usedAt: number;
}

export interface Collected {
  freed: StoreItem[];
  /** Entries and checkpoints that stay. */
  kept: StoreItem[];
}

/** The owner of a draft that another host wrote cannot be looked up. An unfinished stage may leave its draft unchanged. */
const FOREIGN_DRAFT_MS = 7 * 24 * 3600 * 1000;

/**
 * Frees saved work; a run recomputes it when needed. Always: drafts and leases of dead processes, damaged
 * entries, checkpoints of finished stages. With `olderThanMs` or `maxBytes`: entries and checkpoints, the least
 * recently used first, except those whose key a process holds. Ages are differences of the wall clock; a clock that was
 * set back frees less, not more.
 * @throws InputError if the disk cannot be written.
 */
export async function collect(store: Store, options: CollectOptions = {}): Promise<Collected> {
  const { olderThanMs = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY, dryRun } = options;
  const freed: StoreItem[] = [];
  const kept: StoreItem[] = [];
  const now = Date.now();
  const free = async (item: StoreItem): Promise<void> => {
    if (!dryRun) await store.remove(item.path);
    freed.push(item);
  };
  try {
    if (!(await store.exists())) return { freed, kept };
    // Both are listed before anything is freed, because the first write also deletes the drafts of dead processes.
    const drafts = await itemsIn(store, 'leftover', 'tmp');
    const locks = await itemsIn(store, 'lock', 'locks');
    for (const draft of drafts) {
      if (isDead(draft.name) || now - draft.usedAt > FOREIGN_DRAFT_MS) await free(draft);
    }
    for (const lock of locks) {
      if (holderOf(lock.path)) continue;
      if (!dryRun) removeUnheld(lock.path);
      freed.push(lock);
    }
    // `find` sets damaged entries aside.
    if (!dryRun) for (const key of await store.keys()) await store.find(key);
    for (const damaged of await itemsIn(store, 'damaged', 'damaged')) await free(damaged);

    const saved: StoreItem[] = [];
    for await (const { key: name, folder: path, record } of store.entries()) {
      const bytes = record.files.reduce((sum, file) => sum + file.bytes, 0);
      saved.push({ what: 'entry', name, path, bytes, usedAt: await lastUse('entry', path) });
    }
    const finished = new Set(saved.map(({ name }) => name));
    for (const item of await itemsIn(store, 'checkpoints', 'checkpoints')) {
      if (!isKey(item.name)) continue; // not the store's
      if (finished.has(item.name) && !store.holder(item.name)) await free(item);
      else saved.push(item);
    }
    saved.sort((a, b) => a.usedAt - b.usedAt);
    let total = saved.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const item of saved) {
      const isDue = now - item.usedAt > olderThanMs || total > maxBytes;
      const isUsed =
        store.holder(item.name) !== undefined || (await lastUse(item.what, item.path)) > item.usedAt;
      if (!isDue || isUsed) {
        kept.push(item);
        continue;
      }
      await free(item);
      total -= item.bytes;
    }
  } catch (error) {
    throw explainDiskError(error, store.root);
  }
  return { freed, kept };
}

/** What is in one of the store's folders. */
async function itemsIn(store: Store, what: StoreItem['what'], part: StorePart): Promise<StoreItem[]> {
  const items: StoreItem[] = [];
  for (const name of await namesIn(store.path(part))) {
    const path = store.path(part, name);
    items.push({ what, name, path, bytes: await bytesBelow(path), usedAt: await lastUse(what, path) });
  }
  return items;
}

/** The modification time, which `Store.used` sets on the record of an entry. Now if there is nothing. */
async function lastUse(what: StoreItem['what'], path: string): Promise<number> {
  const info = await stat(what === 'entry' ? join(path, RECORD) : path).catch(ignore('ENOENT'));
  return info?.mtimeMs ?? Date.now();
}

/** The size of all files; files that disappear meanwhile count as 0. */
async function bytesBelow(path: string): Promise<number> {
  const info = await stat(path).catch(ignore('ENOENT'));
  if (!info?.isDirectory()) return info?.size ?? 0;
  let sum = 0;
  for (const name of await namesIn(path)) sum += await bytesBelow(join(path, name));
  return sum;
}
