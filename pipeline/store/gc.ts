import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { ignore, namesIn } from './disk.ts';
import { readEntry } from './entry.ts';
import type { Store } from './store.ts';

export interface CollectOptions {
  /** Frees entries last used longer ago, milliseconds. */
  olderThanMs?: number;
  /** Frees the least recently used until entries and checkpoints together have at most this many bytes. */
  maxBytes?: number;
  /** Keys of entries that stay. */
  kept?: ReadonlySet<string>;
  /** Only reports what would be freed. */
  dryRun?: boolean;
}

/** Saved work. Bytes that a run's folder shares by hard links are freed only when that is deleted, too. */
export interface StoreItem {
  what: 'entry' | 'checkpoints';
  key: string;
  path: string;
  bytes: number;
  /** When it was last used or changed, in milliseconds of the wall clock. */
  usedAt: number;
}

export interface Collected {
  freed: StoreItem[];
  retained: StoreItem[];
}

/**
 * Frees saved work, the least recently used first; a run recomputes it when needed. Keeps the entries `kept`, everything whose key a
 * process holds, and what newer versions wrote, which it does not list. Also removes leftovers of killed processes. Ages are
 * differences of the wall clock; a clock that was set back frees less, not more.
 * @throws InputError if the disk cannot be written.
 */
export async function collect(store: Store, options: CollectOptions = {}): Promise<Collected> {
  const {
    olderThanMs = Number.POSITIVE_INFINITY,
    maxBytes = Number.POSITIVE_INFINITY,
    kept,
    dryRun,
  } = options;
  const freed: StoreItem[] = [];
  const retained: StoreItem[] = [];
  if ((await store.exists()) && !dryRun) await store.tidy();
  const now = Date.now();
  const items = await itemsIn(store);
  let total = items.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const item of items.sort((a, b) => a.usedAt - b.usedAt)) {
    const isDue = now - item.usedAt > olderThanMs || total > maxBytes;
    const isUsed = store.holder(item.key) !== undefined || (await lastUse(item.path)) > item.usedAt;
    const isKept = item.what === 'entry' && kept?.has(item.key);
    const isFreed = isDue && !isUsed && !isKept;
    (isFreed ? freed : retained).push(item);
    if (isFreed) total -= item.bytes;
    if (isFreed && !dryRun) await store.remove(item.path);
  }
  return { freed, retained };
}

async function itemsIn(store: Store): Promise<StoreItem[]> {
  const items: StoreItem[] = [];
  const add = async (what: StoreItem['what'], key: string, path: string) =>
    items.push({ what, key, path, bytes: await bytesBelow(path), usedAt: await lastUse(path) });
  for (const key of await store.keys()) {
    const path = store.folderOf(key);
    const isNewer = await readEntry(path, key).catch((error: unknown) => error instanceof InputError);
    if (isNewer !== true) await add('entry', key, path);
  }
  for (const key of await store.keys('checkpoints')) {
    await add('checkpoints', key, store.path('checkpoints', key));
  }
  return items;
}

/** The modification time of its folder, which `Store.used` sets. */
async function lastUse(path: string): Promise<number> {
  return (await stat(path).catch(ignore('ENOENT')))?.mtimeMs ?? 0;
}

/** The size of all files; files that disappear meanwhile count as 0. */
async function bytesBelow(path: string): Promise<number> {
  const info = await stat(path).catch(ignore('ENOENT'));
  if (!info?.isDirectory()) return info?.size ?? 0;
  let sum = 0;
  for (const name of await namesIn(path)) sum += await bytesBelow(join(path, name));
  return sum;
}
