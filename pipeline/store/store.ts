import { stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { Checkpoints } from './checkpoints.ts';
import { StoreDirectory } from './directory.ts';
import { ignore, namesIn } from './disk.ts';
import {
  checkKey,
  type Damage,
  DamagedError,
  damagesOf,
  type Entry,
  EntryWriter,
  entryFolder,
  isKey,
  RECORD,
  readEntry,
  readRecord,
} from './entry.ts';
import { type Lock, type LockOptions, Locks, type LockTimes } from './locks.ts';
import { Runs } from './runs.ts';

/**
 * The content-addressed store on disk: one entry per key (sha256 of what a result depends on). An entry is complete or
 * absent, whenever a process is killed or the power fails. Several processes may use one store. Reading needs no write
 * permission.
 *
 *     <root>/store.json, CACHEDIR.TAG
 *     <root>/entries/<key[0..2]>/<key>/       entry.json and the entry's files, read-only
 *     <root>/checkpoints/<key>/<step>/        the same format, of unfinished stages
 *     <root>/locks/<key>.lock                 leases of processes that make an entry
 *     <root>/runs/<hash>.json                 run folders, whose entries gc keeps
 *     <root>/damaged/<key>-<n>/               damaged entries and checkpoints, with why.txt
 *     <root>/tmp/<owner>/                     unfinished writes
 */
export class Store extends StoreDirectory {
  /** The run folders that were built from this store. */
  readonly runs = new Runs(this);
  readonly #locks: Locks;

  /** Creates nothing on disk. `locks` is for tests. */
  constructor(root: string, { locks }: { locks?: Partial<LockTimes> } = {}) {
    super(root);
    this.#locks = new Locks(this.path('locks'), locks);
  }

  /**
   * The entry of a key, if all files have their recorded sizes; `check` reads contents. A damaged entry is set aside,
   * reported through `onDamaged`, and counts as absent.
   * @throws InputError if the root is no store, or if a newer version wrote it.
   */
  async find(key: string): Promise<Entry | undefined> {
    const path = entryFolder(this, key);
    if (!(await this.exists())) return undefined;
    // An entry that another process replaces or deletes meanwhile seems damaged, so the check is repeated unless the
    // folder stayed the same.
    for (let tries = 0; tries < 5; tries++) {
      const before = await identityOf(path);
      try {
        return await readEntry(path, key);
      } catch (error) {
        if (!(error instanceof DamagedError)) throw error;
        if ((await identityOf(path)) !== before) continue;
        await this.reportDamaged({ what: 'entry', key, path, reason: error.message }, key);
        return undefined;
      }
    }
    return undefined;
  }

  /** Hashes the files of an entry, all or those at `paths`, and returns those that are not as recorded. */
  async check({ key, folder, record }: Entry, paths?: readonly string[]): Promise<Damage[]> {
    const files = record.files.filter(({ path }) => paths?.includes(path) ?? true);
    const unknown = paths?.find((path) => !files.some((file) => file.path === path));
    if (unknown !== undefined) throw new Error(`${key} has no file ${unknown}`);
    return damagesOf(folder, files, true);
  }

  /**
   * Moves an entry to `damaged/<key>-<n>`. Returns its path there; undefined if another process was faster.
   * @throws InputError if the disk cannot be written.
   */
  setAside(key: string, reason: string): Promise<string | undefined> {
    return this.moveToDamaged(entryFolder(this, key), key, reason);
  }

  /** Starts a new entry. Hold the key's lock meanwhile. @throws InputError if the disk cannot be written. */
  async newEntry(): Promise<EntryWriter> {
    return new EntryWriter(this, await this.temporary());
  }

  /** Records that an entry is in use now, for gc. Does nothing on a disk that cannot be written. */
  async used(key: string): Promise<void> {
    const now = new Date();
    await utimes(join(entryFolder(this, key), RECORD), now, now).catch(
      ignore('EROFS', 'EACCES', 'EPERM', 'ENOENT'),
    );
  }

  /** When an entry was last used, in milliseconds of the wall clock; undefined if there is none. */
  async lastUse(key: string): Promise<number | undefined> {
    const info = await stat(join(entryFolder(this, key), RECORD)).catch(ignore('ENOENT'));
    return info?.mtimeMs;
  }

  /** The keys of all entries, complete or not, sorted. */
  async keys(): Promise<string[]> {
    if (!(await this.exists())) return [];
    const shards = await namesIn(this.path('entries'));
    const names = await Promise.all(shards.map((shard) => namesIn(this.path('entries', shard))));
    return names.flat().filter(isKey).sort();
  }

  /** All entries whose records can be read; files are not examined. Those of newer versions are skipped. */
  async *entries(): AsyncIterable<Entry> {
    for (const key of await this.keys()) {
      const folder = entryFolder(this, key);
      const record = await readRecord(folder, key).catch((error: unknown) => {
        if (error instanceof DamagedError || error instanceof InputError) return undefined;
        throw error;
      });
      if (record) yield { key, folder, record };
    }
  }

  /** The checkpoints of a key. */
  checkpoints(key: string): Checkpoints {
    checkKey(key);
    return new Checkpoints(this, key);
  }

  /** Waits until this process holds the key; see `Locks`. @throws InputError if the disk cannot be written. */
  lock(key: string, options?: LockOptions): Promise<Lock> {
    checkKey(key);
    return this.write(() => this.#locks.lock(key, options));
  }

  /** The lock (`instanceof Lock`), or a description of its holder. @throws InputError if the disk cannot be written. */
  tryLock(key: string): Promise<Lock | string> {
    checkKey(key);
    return this.write(() => this.#locks.tryLock(key));
  }

  /** Describes the process that holds the key; undefined if there is none. Changes nothing. */
  holder(key: string): string | undefined {
    checkKey(key);
    return this.#locks.holder(key);
  }

  /** Keys with a lock file, sorted, those of dead owners included. */
  async lockedKeys(): Promise<string[]> {
    const names = await namesIn(this.path('locks'));
    return names
      .map((name) => name.replace(/\.lock$/, ''))
      .filter(isKey)
      .sort();
  }
}

/** Distinguishes an entry from a later one of the same key. */
async function identityOf(path: string): Promise<string | undefined> {
  const info = await stat(path, { bigint: true }).catch(ignore('ENOENT', 'ENOTDIR'));
  return info && `${info.ino} ${info.ctimeNs}`;
}
