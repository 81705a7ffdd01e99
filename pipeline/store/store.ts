import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import {
  codeOf,
  explainDiskError,
  ignore,
  makeDirectory,
  namesIn,
  quiet,
  replaceDurably,
  syncDirectory,
  writeSynced,
} from './disk.ts';
import {
  checkKey,
  type Damage,
  DamagedError,
  damagesOf,
  type Entry,
  type EntryFile,
  type EntryRecord,
  FORMAT,
  isKey,
  makeReadOnly,
  RECORD,
  readEntry,
  refuseDamage,
  sealFiles,
} from './entry.ts';
import { holderOf, isDead, type Lock, type LockOptions, lock, ownerName } from './lock.ts';

/** The file that marks a directory as a store. */
const MARKER = 'store.json';
const CACHE_TAG = 'CACHEDIR.TAG';
/** https://bford.info/cachedir/: backups skip a directory whose tag begins with this line. */
const CACHE_TAG_TEXT =
  'Signature: 8a477f597d28d172789f06886806bc55\n' +
  '# This folder is a store of splatline: everything in it can be recomputed.\n';
const PARTS = ['entries', 'checkpoints', 'locks', 'damaged', 'tmp'] as const;
export type StorePart = (typeof PARTS)[number];

/** A damaged entry or checkpoint. */
export interface DamagedEvent {
  key: string;
  /** Its original path. */
  path: string;
  /** The fault: found and expected. */
  reason: string;
  /** Its new path; undefined if it could not be moved, as on a read-only disk. */
  movedTo?: string;
}

/** The fields of a new entry's record. */
interface NewEntry {
  identity: unknown;
  about?: unknown;
  files?: EntryFile[];
}

/** Paths of this process in `tmp`. They are deleted when it ends, unless it is killed. */
const drafts = new Set<string>();
process.on('exit', () => {
  for (const path of drafts) quiet(() => rmSync(path, { recursive: true, force: true }));
});

/**
 * The content-addressed store on disk: one entry per key (sha256 of what a result depends on). An entry is complete or
 * absent, whenever a process is killed or the power fails: it is written in a draft folder, which is renamed into place
 * when all of it is durable, and renamed away before it is deleted. Several processes may use one store. Reading needs
 * no write permission.
 *
 *     <root>/store.json, CACHEDIR.TAG
 *     <root>/entries/<key[0..2]>/<key>/       entry.json and the entry's files, read-only
 *     <root>/checkpoints/<key>/<step>/        the same format, of unfinished stages
 *     <root>/locks/<key>.lock                 leases of processes that write an entry
 *     <root>/damaged/<key>-<n>/               damaged entries and checkpoints, with why.txt
 *     <root>/tmp/<owner>/                     drafts
 */
export class Store {
  readonly root: string;
  /** Called for a damaged entry or checkpoint; it is set aside and never used. */
  onDamaged: (event: DamagedEvent) => void = () => undefined;
  #isPrepared = false;

  /** Creates nothing on disk. */
  constructor(root: string) {
    this.root = root;
  }

  path(part: StorePart, ...names: readonly string[]): string {
    return join(this.root, part, ...names);
  }

  /** @throws InputError if the root is a file, holds other files, or was written by a newer version. */
  async exists(): Promise<boolean> {
    const marker = join(this.root, MARKER);
    const text = await readFile(marker, 'utf8').catch(ignore('ENOENT', 'ENOTDIR'));
    if (text !== undefined) {
      // A power cut may have emptied the marker of a new store.
      const format = quiet(() => Number((JSON.parse(text) as { format: number }).format)) ?? FORMAT;
      if (!(format > FORMAT)) return true;
      throw new InputError(
        `this store has format ${format}, written by a newer splatline; this version reads formats up to ${FORMAT}; ` +
          'use that version or choose another store with --store',
        marker,
      );
    }
    const names = await readdir(this.root).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [];
      if (codeOf(error) !== 'ENOTDIR') throw error;
      throw new InputError('this is a file; a store is a folder: choose another with --store', this.root);
    });
    // Another process may be creating the store: the tag comes before the marker.
    const others = names.filter((name) => name !== CACHE_TAG && !name.includes(MARKER));
    if (!others.length) return false;
    throw new InputError(
      `this folder contains other files (${others.slice(0, 3).join(', ')}) and no ${MARKER}, so it is not a store; ` +
        'choose a new or empty folder with --store',
      this.root,
    );
  }

  /** @throws InputError if nothing can be written, with the folder, the cause and the remedy. */
  async writable(): Promise<void> {
    // A full disk may still take names, but not contents.
    await this.#aside((path) => writeSynced(path, [new Uint8Array(2 ** 16)]));
  }

  /**
   * The entry of a key, if all files have their recorded sizes; `check` reads contents. A damaged entry is set aside,
   * reported through `onDamaged`, and counts as absent.
   * @throws InputError as `exists` does.
   */
  async find(key: string): Promise<Entry | undefined> {
    const path = this.#folderOf(key);
    if (!(await this.exists())) return undefined;
    const before = await identityOf(path);
    try {
      const entry = await readEntry(path, key);
      if (entry) await refuseDamage(entry, false);
      return entry;
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      // An entry that another process replaces or deletes meanwhile seems damaged.
      if ((await identityOf(path)) !== before) return this.find(key);
      await this.setAside(key, error.message);
      return undefined;
    }
  }

  /** Hashes the files of an entry, all or those at `paths`, and returns those that are not as recorded. */
  async check({ key, folder, record }: Entry, paths?: readonly string[]): Promise<Damage[]> {
    const files = record.files.filter(({ path }) => paths?.includes(path) ?? true);
    const unknown = paths?.find((path) => !files.some((file) => file.path === path));
    if (unknown !== undefined) throw new Error(`${key} has no file ${unknown}`);
    return damagesOf(folder, files, true);
  }

  /**
   * Moves a damaged entry, or the checkpoint of the key at `path`, to `damaged/` with the reason in `why.txt`, and
   * reports it through `onDamaged`. On a disk that cannot be written it stays in place. Returns its new path.
   */
  async setAside(key: string, reason: string, path = this.#folderOf(key)): Promise<string | undefined> {
    const target = this.path('damaged', `${key}-${randomBytes(4).toString('hex')}`);
    const move = async (): Promise<string> => {
      await rename(path, target);
      await writeFile(join(target, 'why.txt'), `${reason}\n`).catch(ignore('ENOSPC', 'EDQUOT'));
      return target;
    };
    const movedTo = await this.#write(move).catch((error: unknown) => {
      // Another process was faster, or the disk cannot be written.
      if (codeOf(error) === 'ENOENT' || error instanceof InputError) return undefined;
      throw error;
    });
    this.onDamaged({ key, path, reason, ...(movedTo === undefined ? {} : { movedTo }) });
    return movedTo;
  }

  /**
   * Writes the entry of `key`, or a checkpoint of the key at `target`, and replaces an earlier one. `fill` writes the files
   * into a draft folder. They are hashed, synced and made read-only, unless `fill` returns a list of files that are durable
   * already. If anything fails, nothing is left. The caller holds the key's lock.
   * @throws InputError if the disk cannot be written.
   */
  async commit(
    key: string,
    fill: (draft: string) => Promise<NewEntry>,
    target = this.#folderOf(key),
  ): Promise<Entry> {
    return this.#aside(async (draft) => {
      await mkdir(draft);
      const { identity, about = {}, files = await sealFiles(draft) } = await fill(draft);
      const made = new Date().toISOString();
      const record: EntryRecord = { format: FORMAT, key, identity, about, files, made };
      const file = join(draft, RECORD);
      await writeSynced(file, [Buffer.from(`${JSON.stringify(record, null, 1)}\n`)]);
      await makeReadOnly(file);
      await syncDirectory(draft);
      await this.#place(draft, target);
      return { key, folder: target, record };
    });
  }

  /** Runs `work`, which writes to a new path in `tmp`, and deletes any remainder there. */
  async #aside<T>(work: (path: string) => Promise<T>): Promise<T> {
    const path = this.path('tmp', ownerName());
    drafts.add(path);
    try {
      return await this.#write(() => work(path));
    } finally {
      await removeTree(path);
      drafts.delete(path);
    }
  }

  async #place(draft: string, target: string): Promise<void> {
    await makeDirectory(dirname(target));
    for (let tries = 0; ; tries++) {
      try {
        await rename(draft, target);
        break;
      } catch (error) {
        if (!isTaken(error) || tries === 10) throw error; // ten other processes were faster
        await this.remove(target);
      }
    }
    await syncDirectory(dirname(target));
  }

  /** Deletes `path`, which disappears in one rename, also on a full disk. False if there was nothing. */
  async remove(path: string): Promise<boolean> {
    const move = (moved: string) => rename(path, moved).then(() => true);
    return this.#aside(move).catch((error: unknown) => ignore('ENOENT')(error) ?? false);
  }

  /**
   * Runs `work`, which writes to the store. Creates the store if there is none.
   * @throws InputError if the disk cannot be written.
   */
  async #write<T>(work: () => Promise<T>): Promise<T> {
    try {
      await this.#prepare();
      return await work();
    } catch (error) {
      throw explainDiskError(error, this.root);
    }
  }

  async #prepare(): Promise<void> {
    if (!(await this.exists())) {
      await makeDirectory(this.root);
      await writeFile(join(this.root, CACHE_TAG), CACHE_TAG_TEXT);
      await replaceDurably(join(this.root, MARKER), `${JSON.stringify({ format: FORMAT })}\n`);
      this.#isPrepared = false;
    }
    if (this.#isPrepared) return;
    for (const part of PARTS) await mkdir(this.path(part), { recursive: true });
    await syncDirectory(this.root);
    this.#isPrepared = true;
    for (const name of await readdir(this.path('tmp'))) {
      if (isDead(name)) await removeTree(this.path('tmp', name)); // its process was killed
    }
  }

  /** Records that an entry is in use now, for gc. Does nothing on a disk that cannot be written. */
  async used(key: string): Promise<void> {
    const now = new Date();
    await utimes(join(this.#folderOf(key), RECORD), now, now).catch(
      ignore('EROFS', 'EACCES', 'EPERM', 'ENOENT'),
    );
  }

  /** The keys of all entries, complete or not, sorted. */
  async keys(): Promise<string[]> {
    if (!(await this.exists())) return [];
    const shards = await namesIn(this.path('entries'));
    const names = await Promise.all(shards.map((shard) => namesIn(this.path('entries', shard))));
    return names.flat().filter(isKey).sort();
  }

  /** All entries whose records can be read. Files are not examined, and nothing is set aside. */
  async *entries(): AsyncIterable<Entry> {
    for (const key of await this.keys()) {
      const entry = await readEntry(this.#folderOf(key), key).catch((error: unknown) => {
        if (error instanceof DamagedError) return undefined;
        throw error;
      });
      if (entry) yield entry;
    }
  }

  /** Waits until this process holds the key; see `lock`. @throws InputError if the disk cannot be written. */
  async lock(key: string, options?: LockOptions): Promise<Lock> {
    return this.#write(() => lock(this.#lease(key), options));
  }

  /** Describes the process that holds the key; undefined if there is none. Changes nothing. */
  holder(key: string): string | undefined {
    return holderOf(this.#lease(key));
  }

  #lease(key: string): string {
    checkKey(key);
    return this.path('locks', `${key}.lock`);
  }

  /** The path of a key's entry. Two letters of the key keep directories small. */
  #folderOf(key: string): string {
    checkKey(key);
    return this.path('entries', key.slice(0, 2), key);
  }
}

/** Distinguishes an entry from a later one of the same key. */
async function identityOf(path: string): Promise<string | undefined> {
  const info = await stat(path, { bigint: true }).catch(ignore('ENOENT', 'ENOTDIR'));
  return info && `${info.ino} ${info.ctimeNs}`;
}

/** Whether a rename failed because the target is a directory that is not empty. */
function isTaken(error: unknown): boolean {
  const windows = process.platform === 'win32' ? ['EPERM', 'EACCES'] : [];
  return ['ENOTEMPTY', 'EEXIST', ...windows].includes(codeOf(error) ?? '');
}

/** Deletes a directory that another process may be deleting, too. */
async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 }).catch(
    ignore('ENOENT', 'ENOTDIR', 'ENOTEMPTY'),
  );
}
