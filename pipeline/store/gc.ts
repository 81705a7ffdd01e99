import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { explainDiskError, ignore, isDiskFull } from './disk-errors.ts';
import { asideOwner } from './leftovers.ts';
import { type Holder, Lock } from './locks.ts';
import { freeingOrder, Needs } from './needs.ts';
import { type Entry, isKey } from './record.ts';
import type { Store } from './store.ts';

export interface CollectOptions {
  /** Frees what was last used longer ago, milliseconds. */
  olderThanMs?: number;
  /** Frees until entries and checkpoints together have at most so many bytes, the oldest use first. */
  maxBytes?: number;
  /** Only says what would go. */
  dryRun?: boolean;
}

/** Something in the store, with its size. Bytes that a run's folder shares by hard links are freed only with that. */
export interface StoreItem {
  what: 'entry' | 'checkpoints' | 'damaged' | 'leftover' | 'lock' | 'run';
  /** The key, or the name in its room; of a run, its folder. */
  name: string;
  /** Where it lies, or lay. */
  path: string;
  bytes: number;
  /** Why it was freed or kept, in words. */
  why: string;
}

export interface Collected {
  freed: StoreItem[];
  /** Entries and checkpoints that stay. */
  kept: StoreItem[];
  /** Freed, together. */
  bytes: number;
}

/** What a process of another host left lies so long before it counts as garbage: its owner cannot be asked. */
const STRANGERS_MS = 7 * 24 * 3600 * 1000;
const aboutSchema = z.object({ refers: z.array(z.string()) });

/**
 * Frees what nothing needs. Always: what killed processes left, what was set aside as damaged, checkpoints of finished
 * stages, notes of runs that are gone. By age or size, where asked: entries and checkpoints that no kept run needs, nor
 * what these refer to (`about.refers`), and that nobody holds; those unused for longest first. A run is kept while its
 * run.json is there. Age is told by the wall clock: one that was set back frees less, not more.
 * @throws InputError where the disk does not let it.
 */
export async function collect(store: Store, options: CollectOptions = {}): Promise<Collected> {
  try {
    if (!(await store.rooms.exists())) return { freed: [], kept: [], bytes: 0 };
    const collector = new Collector(store, options);
    await collector.freeGarbage();
    await collector.freeUnused();
    const { freed, kept } = collector;
    return { freed, kept, bytes: freed.reduce((sum, { bytes }) => sum + bytes, 0) };
  } catch (error) {
    throw explainDiskError(error, store.root);
  }
}

type Found = Omit<StoreItem, 'why'>;

/** Something that may go, and when it was last used. */
interface Candidate {
  item: Found;
  usedAt: number;
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

  /** What is of no use to anybody, whatever its age. */
  async freeGarbage(): Promise<void> {
    const { runs, rooms } = this.#store;
    await this.#freeLeftovers();
    for (const run of await runs.all()) {
      if (run.kept) continue;
      if (!this.#options.dryRun) await runs.forgetNote(run);
      this.#freed({ what: 'run', name: run.folder, path: run.note, bytes: 0 }, 'its run.json is gone');
    }
    for (const key of await this.#store.lockedKeys()) {
      if (this.#store.holder(key)) continue;
      const lock = this.#options.dryRun ? undefined : await this.#hold(key);
      if (lock instanceof Lock) await lock.release();
      const path = rooms.in('locks', `${key}.lock`);
      this.#freed({ what: 'lock', name: key, path, bytes: 0 }, 'its process is gone');
    }
    // Finding what is damaged sets it aside, for the room below.
    if (!this.#options.dryRun) for (const key of await this.#store.keys()) await this.#find(key);
    for (const name of await this.#names('damaged')) {
      await this.#free(await this.#found('damaged', name), 'damaged');
    }
    for (const key of (await this.#names('checkpoints')).filter(isKey)) {
      if (await this.#find(key)) {
        await this.#freeHeld(await this.#checkpoints(key), 'the stage is finished');
      }
    }
  }

  async #freeLeftovers(): Promise<void> {
    const left: [item: Found, why: string][] = [];
    for (const name of await this.#names('tmp')) {
      const owner = asideOwner(name);
      const old = owner === 'unknown' && this.#now - (await this.#usedAt('tmp', name)) > STRANGERS_MS;
      if (owner !== 'dead' && !old) continue;
      left.push([await this.#found('leftover', name), old ? 'older than a week' : 'its process is gone']);
    }
    // All are listed before the first goes: whoever begins to write sweeps, this process too.
    for (const [item, why] of left) await this.#free(item, why);
  }

  /** What no kept run needs, by age and then by size. */
  async freeUnused(): Promise<void> {
    const entries = new Map<string, Entry>();
    for await (const entry of this.#store.entries()) entries.set(entry.key, entry);
    const refers = new Map([...entries].map(([key, entry]) => [key, refersOf(entry)]));
    const needs = new Needs(refers);
    for (const run of await this.#store.runs.all()) {
      if (run.kept) needs.add(run.keys, `the run in ${run.folder} needs it`);
    }
    const candidates = await this.#candidates(entries, refers);
    let total = candidates.reduce((sum, { item }) => sum + item.bytes, 0);
    for (const candidate of candidates) {
      const { item } = candidate;
      const needed = needs.why(item.name);
      const why = needed === undefined ? this.#excess(candidate, total) : undefined;
      if (why === undefined) {
        this.kept.push({ ...item, why: needed ?? 'no limit asks for it' });
      } else if (await this.#freeHeld(candidate, why)) {
        total -= item.bytes;
      } else if (item.what === 'entry') {
        needs.add(refers.get(item.name) ?? [], `${item.name} needs it`);
      }
    }
  }

  /** In the order in which they go. */
  async #candidates(
    entries: ReadonlyMap<string, Entry>,
    refers: ReadonlyMap<string, string[]>,
  ): Promise<Candidate[]> {
    const uses = new Map<string, number>();
    for (const key of entries.keys()) uses.set(key, (await this.#store.lastUse(key)) ?? 0);
    const ordered = freeingOrder(uses, refers).map(([key, usedAt]): Candidate => {
      const { folder, record } = entries.get(key)!;
      const bytes = record.files.reduce((sum, file) => sum + file.bytes, 0);
      return { item: { what: 'entry', name: key, path: folder, bytes }, usedAt };
    });
    for (const key of (await this.#names('checkpoints')).filter(isKey)) {
      if (!entries.has(key)) ordered.push(await this.#checkpoints(key));
    }
    return ordered.sort((a, b) => a.usedAt - b.usedAt); // stable
  }

  /** Which limit asks for it to go. */
  #excess({ usedAt }: Candidate, total: number): string | undefined {
    const { olderThanMs = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#now - usedAt > olderThanMs) return `not used since ${new Date(usedAt).toISOString()}`;
    return total > maxBytes ? `the store holds ${total} bytes, and ${maxBytes} are allowed` : undefined;
  }

  /** Frees an entry or checkpoints under the key's lock; otherwise says who keeps it and gives false. */
  async #freeHeld({ item, usedAt }: Candidate, why: string): Promise<boolean> {
    const lock = await this.#hold(item.name);
    if (lock && !(lock instanceof Lock)) {
      this.kept.push({ ...item, why: `in use by ${holderInWords(lock)}` });
      return false;
    }
    try {
      // Only with the lock in hand does it hold still.
      const now = item.what === 'entry' ? await this.#store.lastUse(item.name) : undefined;
      if (now !== undefined && now > usedAt) {
        this.kept.push({ ...item, why: 'it has just been used' });
        return false;
      }
      await this.#free(item, why);
      return true;
    } finally {
      await lock?.release();
    }
  }

  /** The lock, who else has it, or neither, where nobody holds it and none is wanted. */
  async #hold(key: string): Promise<Lock | Holder | undefined> {
    if (this.#options.dryRun) return this.#store.holder(key);
    try {
      return await this.#store.tryLock(key);
    } catch (error) {
      // No lock can be written to a full disk, by others no more than here, and freeing is what helps.
      if (isDiskFull(error)) return this.#store.holder(key);
      throw error;
    }
  }

  async #free(item: Found, why: string): Promise<void> {
    if (!this.#options.dryRun) await this.#store.rooms.remove(item.path);
    this.#freed(item, why);
  }

  #freed(item: Found, why: string): void {
    this.freed.push({ ...item, why });
  }

  /** An entry that is whole. One of a newer version is nobody's to judge, and stays. */
  async #find(key: string): Promise<Entry | undefined> {
    return this.#store.find(key).catch((error: unknown) => {
      if (error instanceof InputError) return undefined;
      throw error;
    });
  }

  async #checkpoints(key: string): Promise<Candidate> {
    const path = this.#store.rooms.in('checkpoints', key);
    const item: Found = { what: 'checkpoints', name: key, path, bytes: await bytesBelow(path) };
    return { item, usedAt: await this.#usedAt('checkpoints', key) };
  }

  async #found(what: 'damaged' | 'leftover', name: string): Promise<Found> {
    const path = this.#store.rooms.in(what === 'damaged' ? 'damaged' : 'tmp', name);
    return { what, name, path, bytes: await bytesBelow(path) };
  }

  async #usedAt(room: 'tmp' | 'checkpoints', name: string): Promise<number> {
    const info = await stat(this.#store.rooms.in(room, name)).catch(ignore('ENOENT'));
    return info?.mtimeMs ?? this.#now;
  }

  async #names(room: 'damaged' | 'tmp' | 'checkpoints'): Promise<string[]> {
    return ((await readdir(this.#store.rooms.in(room)).catch(ignore('ENOENT'))) ?? []).sort();
  }
}

/** The further keys that an entry is of no use without, as its maker wrote. */
function refersOf(entry: Entry): string[] {
  const { success, data } = aboutSchema.safeParse(entry.record.about);
  return success ? data.refers : [];
}

function holderInWords({ pid, host, here }: Holder): string {
  if (pid === undefined) return 'an unknown process';
  return here ? `process ${pid}` : `process ${pid} on ${host}`;
}

/** Of all files, whatever vanishes meanwhile counting as nothing. */
async function bytesBelow(path: string): Promise<number> {
  const info = await stat(path).catch(ignore('ENOENT'));
  if (!info?.isDirectory()) return info?.size ?? 0;
  const names = (await readdir(path).catch(ignore('ENOENT'))) ?? [];
  let sum = 0;
  for (const name of names) sum += await bytesBelow(join(path, name));
  return sum;
}
