import { readdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { eachOf, hashFile } from '../hash.ts';
import { CheckpointFiles } from './checkpoint-files.ts';
import { codeOf, explainDiskError, ignore } from './disk-errors.ts';
import { Draft, entryFolder } from './draft.ts';
import { type Holder, type Lock, type LockOptions, Locks, type LockTimes } from './locks.ts';
import {
  checkKey,
  type Damage,
  DamagedError,
  type Entry,
  type EntryRecord,
  isKey,
  RECORD,
  readRecord,
  sizeDamage,
} from './record.ts';
import { type DamagedEvent, StoreRoot } from './root.ts';
import { Runs } from './runs.ts';

export type { Damage, DamagedEvent, Entry, EntryRecord };

/**
 * The content-addressed store on disk: one entry per key (sha256 over what a result depends on), complete or absent at
 * whatever instant a process is killed or the power goes. Several processes may use one store. Reading needs no right to
 * write.
 *
 *     <root>/store.json, CACHEDIR.TAG
 *     <root>/entries/<key[0..2]>/<key>/entry.json and files   read-only
 *     <root>/checkpoints/<key>/<step>/                        of stages that are not finished
 *     <root>/locks/<key>.lock  runs/<…>.json  damaged/<…>/  tmp/<owner>/
 */
export class Store {
  readonly root: string;
  /** The run folders that were built from this store. */
  readonly runs: Runs;
  /** The folder itself, for what tends it (gc). */
  readonly rooms: StoreRoot;
  readonly #locks: Locks;

  /** Makes nothing on disk. `locks`: only for tests of locks. */
  constructor(root: string, { locks }: { locks?: Partial<LockTimes> } = {}) {
    this.root = root;
    this.rooms = new StoreRoot(root);
    this.#locks = new Locks(this.rooms.in('locks'), locks);
    this.runs = new Runs(this.rooms);
  }

  /** Called when something is found that is not as it was written; it is set aside and never used. */
  set onDamaged(listener: (event: DamagedEvent) => void) {
    this.rooms.onDamaged = listener;
  }

  /**
   * The entry of a key, if it is there with all its files in their sizes; contents are not read (`check` does that). A
   * damaged one is set aside, told through `onDamaged`, and undefined is given.
   * @throws InputError where the root is no store, or a newer version's.
   */
  async find(key: string): Promise<Entry | undefined> {
    checkKey(key);
    if (!(await this.rooms.exists())) return undefined;
    const folder = entryFolder(this.rooms, key);
    // An entry that is replaced or freed in this moment looks damaged: only one that stays the same while it is looked
    // at is. Should the luck never come, it is as good as absent.
    for (let tries = 0; tries < 5; tries++) {
      const before = await identityOf(folder);
      if (before === undefined) return undefined;
      const { entry, reason } = await this.#examine(key);
      if (entry) return entry;
      if (reason === undefined || (await identityOf(folder)) !== before) continue;
      await this.rooms.reportDamaged({ what: 'entry', key, path: folder, reason }, key);
      return undefined;
    }
    return undefined;
  }

  async #examine(key: string): Promise<{ entry?: Entry; reason?: string }> {
    const folder = entryFolder(this.rooms, key);
    try {
      const record = await readRecord(folder, key);
      if (!record) return {};
      const entry = { key, folder, record };
      const damage = await sizeDamage(entry);
      return damage ? { reason: describeDamage(damage) } : { entry };
    } catch (error) {
      if (error instanceof DamagedError) return { reason: error.message };
      if (codeOf(error) === 'EIO') return { reason: String(error) };
      throw error;
    }
  }

  /** Hashes the files of an entry again, all or those at `paths`; gives those that are not as recorded. */
  async check(entry: Entry, paths?: readonly string[]): Promise<Damage[]> {
    const files = entry.record.files.filter(({ path }) => paths?.includes(path) ?? true);
    const unknown = paths?.find((path) => !files.some((file) => file.path === path));
    if (unknown !== undefined) throw new Error(`${entry.key} has no file ${unknown}`);
    const found = await eachOf(files, (file) => checkFile(entry.folder, file), 4);
    return found.filter((damage) => damage !== undefined);
  }

  /**
   * Moves an entry to `damaged/<key>-<n>`, where nothing uses it again. Gives its path there; undefined where another
   * process was first. @throws InputError where the disk does not let it.
   */
  async setAside(key: string, reason: string): Promise<string | undefined> {
    checkKey(key);
    return this.rooms.setAside(entryFolder(this.rooms, key), key, reason);
  }

  /** A folder aside to write a result to. Hold the key's lock meanwhile. @throws InputError where the disk refuses. */
  async draft(): Promise<Draft> {
    try {
      return new Draft(this.rooms, await this.rooms.aside());
    } catch (error) {
      throw explainDiskError(error, this.root);
    }
  }

  /** Notes that an entry is in use now, for gc. Quiet where it cannot be noted. */
  async used(key: string): Promise<void> {
    checkKey(key);
    const now = new Date();
    await utimes(join(entryFolder(this.rooms, key), RECORD), now, now).catch(
      ignore('EROFS', 'EACCES', 'EPERM', 'ENOENT'),
    );
  }

  /** All entries whose records can be read; files are not looked at. Those of newer versions are passed over. */
  async *entries(): AsyncIterable<Entry> {
    for (const key of await this.keys()) {
      const folder = entryFolder(this.rooms, key);
      const record = await readRecord(folder, key).catch((error: unknown) => {
        if (error instanceof DamagedError || error instanceof InputError) return undefined;
        throw error;
      });
      if (record) yield { key, folder, record };
    }
  }

  /** The keys of all entries, whole or not, sorted. */
  async keys(): Promise<string[]> {
    if (!(await this.rooms.exists())) return [];
    const shards = (await readdir(this.rooms.in('entries')).catch(ignore('ENOENT'))) ?? [];
    const names = await eachOf(shards, (shard) =>
      readdir(this.rooms.in('entries', shard)).catch(ignore('ENOENT', 'ENOTDIR')),
    );
    return names
      .flatMap((list) => list ?? [])
      .filter(isKey)
      .sort();
  }

  /** When an entry was last used, in milliseconds of the wall clock; undefined where there is none. */
  async lastUse(key: string): Promise<number | undefined> {
    const info = await stat(join(entryFolder(this.rooms, key), RECORD)).catch(ignore('ENOENT'));
    return info?.mtimeMs;
  }

  /** The checkpoints of a key. */
  checkpoints(key: string): CheckpointFiles {
    checkKey(key);
    return new CheckpointFiles(this.rooms, key);
  }

  /** Waits until this process holds the key; see `Locks`. @throws InputError where the disk refuses. */
  async lock(key: string, options?: LockOptions): Promise<Lock> {
    checkKey(key);
    return this.#locking(() => this.#locks.lock(key, options));
  }

  /** The lock (`instanceof Lock`), or who holds it. @throws InputError where the disk refuses. */
  async tryLock(key: string): Promise<Lock | Holder> {
    checkKey(key);
    return this.#locking(() => this.#locks.tryLock(key));
  }

  /** Keys with a lock file, whoever it is of, a dead process included. */
  async lockedKeys(): Promise<string[]> {
    return (await this.#locks.keys()).filter(isKey);
  }

  /** Who holds the key; changes nothing. */
  holder(key: string): Holder | undefined {
    checkKey(key);
    return this.#locks.holder(key);
  }

  /** @throws InputError where nothing can be written: which folder, what the system said, what to do. */
  writable(): Promise<void> {
    return this.rooms.checkWritable();
  }

  async #locking<T>(work: () => Promise<T>): Promise<T> {
    try {
      await this.rooms.prepare();
      return await work();
    } catch (error) {
      throw explainDiskError(error, this.root);
    }
  }
}

async function checkFile(folder: string, file: EntryRecord['files'][number]): Promise<Damage | undefined> {
  const { path, bytes, sha256 } = file;
  const found = await hashFile(join(folder, path)).catch((error: unknown) => codeOf(error) ?? String(error));
  if (typeof found === 'string') {
    return { path, found: found === 'ENOENT' ? 'missing' : found, expected: sha256 };
  }
  if (found.bytes !== bytes) return { path, found: `${found.bytes} bytes`, expected: `${bytes} bytes` };
  return found.sha256 === sha256 ? undefined : { path, found: found.sha256, expected: sha256 };
}

/** For a sentence: `x.bin: missing; 12 bytes expected`. */
export function describeDamage({ path, found, expected }: Damage): string {
  return `${path}: ${found}; ${expected} expected`;
}

/** Tells an entry from the next of the same key. */
async function identityOf(folder: string): Promise<string | undefined> {
  const info = await stat(folder, { bigint: true }).catch(ignore('ENOENT', 'ENOTDIR'));
  return info && `${info.ino} ${info.ctimeNs}`;
}
