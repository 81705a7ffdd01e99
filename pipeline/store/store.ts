import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import {
  drafts,
  explainDiskError,
  ignore,
  makeDirectory,
  namesIn,
  quiet,
  replaceDurably,
  sync,
} from './disk.ts';
import {
  DamagedError,
  type Entry,
  type EntryRecord,
  FORMAT,
  isKey,
  makeReadOnly,
  RECORD,
  readEntry,
  refuseDamage,
  refuseNewer,
  sealFiles,
} from './entry.ts';
import { holderOf, isDead, type Lock, type LockOptions, lock, OWNER, removeEnded } from './lock.ts';

/** The file that marks a directory as a store. */
const MARKER = 'store.json';
const CACHE_TAG = 'CACHEDIR.TAG';
/** https://bford.info/cachedir/: backups skip a directory whose tag begins with this line. */
const CACHE_TAG_TEXT =
  'Signature: 8a477f597d28d172789f06886806bc55\n' +
  '# This folder is a store of splatline: everything in it can be recomputed.\n';
const PARTS = ['entries', 'checkpoints', 'runs', 'locks', 'tmp'] as const;
export type StorePart = (typeof PARTS)[number];

/** The owner of a draft that another host wrote cannot be looked up. An unfinished stage may leave its draft unchanged. */
const FOREIGN_DRAFT_MS = 7 * 24 * 3600 * 1000;

/**
 * The content-addressed store on disk: one entry per key (sha256 of what a result depends on). An entry is complete or
 * absent, whenever a process is killed or the power fails: it is written in a draft folder, which is renamed into place
 * when all of it is durable, and renamed away before it is deleted. Several processes may use one store. Reading needs
 * no write permission.
 *
 *     <root>/store.json, CACHEDIR.TAG
 *     <root>/entries/<key[0..2]>/<key>/       entry.json and the entry's files, read-only
 *     <root>/checkpoints/<key>/<step>/        the same format, of unfinished stages
 *     <root>/runs/<name>/<key>.json           records of finished runs, whose entries gc keeps
 *     <root>/locks/<key>.lock                 leases of processes that write an entry
 *     <root>/tmp/<random>.<owner>/            drafts
 */
export class Store {
  readonly root: string;
  /** Called for a damaged entry or checkpoint, which is deleted and never used, with the fault: found and expected. */
  onDamaged: (damaged: { key: string; path: string; reason: string }) => void = () => undefined;

  /** Whether damaged entries stay on disk. They count as absent either way. */
  keepsDamaged = false;

  /** Creates nothing on disk. */
  constructor(root: string) {
    this.root = root;
  }

  path(part: StorePart, ...names: readonly string[]): string {
    return join(this.root, part, ...names);
  }

  /** The path of a key's entry. Two letters of the key keep directories small. @throws Error if it is no key. */
  folderOf(key: string): string {
    if (!isKey(key)) throw new Error(`"${key}" is not a key; expected 64 hex digits`);
    return this.path('entries', key.slice(0, 2), key);
  }

  /** @throws InputError if the root is a file, holds other files, or was written by a newer version. */
  async exists(): Promise<boolean> {
    // Listed before the marker is read: another process may create the store meanwhile, the marker before everything but the tag.
    const names = await namesIn(
      this.root,
      'this is a file; a store is a folder: choose another with --store',
    );
    const marker = join(this.root, MARKER);
    const text = await readFile(marker, 'utf8').catch(ignore('ENOENT', 'ENOTDIR'));
    if (text !== undefined) {
      refuseNewer('store', marker, text);
      return true;
    }
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
    await this.#withTemporary((path) => writeFile(path, new Uint8Array(2 ** 16)));
  }

  /**
   * The entry of a key. All files have their recorded sizes, and those below the folders `hashed` of the entry their
   * recorded contents. A damaged entry counts as absent; it is reported through `onDamaged` and deleted.
   * @throws InputError as `exists` does, and if a newer version wrote the entry.
   */
  async find(key: string, hashed: readonly string[] = []): Promise<Entry | undefined> {
    return this.examine(key, this.folderOf(key), async (entry) => {
      await refuseDamage(entry, (path) => hashed.some((folder) => path.startsWith(`${folder}/`)));
      return entry;
    });
  }

  /**
   * What `examine` returns for the entry, or the checkpoint, of a key at `path`; undefined if there is none or it is
   * damaged. A damaged one is reported and deleted.
   */
  async examine<T>(key: string, path: string, examine: (entry: Entry) => Promise<T>): Promise<T | undefined> {
    if (!(await this.exists())) return undefined;
    const before = await identityOf(path);
    try {
      const entry = await readEntry(path, key);
      return entry && (await examine(entry));
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      // An entry that another process replaces or deletes meanwhile seems damaged.
      if ((await identityOf(path)) !== before) return this.examine(key, path, examine);
      await this.discard(key, error.message, path);
      return undefined;
    }
  }

  /** Reports a damaged entry, or checkpoint at `path`, and deletes it. On a disk that cannot be written it stays. */
  async discard(key: string, reason: string, path = this.folderOf(key)): Promise<void> {
    this.onDamaged({ key, path, reason });
    if (this.keepsDamaged) return;
    await this.remove(path).catch((error: unknown) => {
      if (!(error instanceof InputError)) throw error;
    });
  }

  /**
   * Writes the entry of `key`, or a checkpoint of the key at `target`, and replaces an earlier one. `fill` writes the files
   * into a draft folder; they are hashed, synced and made read-only. If anything fails, nothing is left. The caller holds
   * the key's lock.
   * @throws InputError if the disk cannot be written.
   */
  async commit(
    key: string,
    fill: (draft: string) => Promise<Pick<EntryRecord, 'identity'> & Partial<Pick<EntryRecord, 'about'>>>,
    target = this.folderOf(key),
  ): Promise<Entry> {
    return this.#withTemporary(async (draft) => {
      await mkdir(draft);
      const { identity, about = {} } = await fill(draft);
      const files = await sealFiles(draft);
      const made = new Date().toISOString();
      const record: EntryRecord = { format: FORMAT, key, identity, about, files, made };
      const file = join(draft, RECORD);
      await writeFile(file, `${JSON.stringify(record, null, 1)}\n`);
      await sync(file, 'file');
      await makeReadOnly(file);
      await sync(draft, 'directory');
      await makeDirectory(dirname(target));
      while (!(await isRenamed(draft, target))) await this.remove(target);
      await sync(dirname(target), 'directory');
      return { key, folder: target, record };
    });
  }

  /** Deletes `path`, which disappears in one rename, also on a full disk. False if there was nothing. */
  async remove(path: string): Promise<boolean> {
    const move = (moved: string) => rename(path, moved).then(() => true);
    return this.#withTemporary(move).catch((error: unknown) => ignore('ENOENT')(error) ?? false);
  }

  /** Runs `work`, which writes to a new path in `tmp`, and deletes any remainder there. */
  async #withTemporary<T>(work: (path: string) => Promise<T>): Promise<T> {
    const path = this.path('tmp', `${randomBytes(6).toString('hex')}.${OWNER}`);
    drafts.add(path);
    try {
      return await this.#write(() => work(path));
    } finally {
      await removeTree(path);
      drafts.delete(path);
    }
  }

  /** Runs `work`, which writes to the store, and creates the store before. @throws InputError on an unwritable disk. */
  async #write<T>(work: () => Promise<T>): Promise<T> {
    try {
      if (!(await this.exists())) {
        await makeDirectory(this.root);
        await writeFile(join(this.root, CACHE_TAG), CACHE_TAG_TEXT);
        await replaceDurably(join(this.root, MARKER), `${JSON.stringify({ format: FORMAT })}\n`);
      }
      for (const part of PARTS) await makeDirectory(this.path(part));
      await this.#removeLeftovers();
      return await work();
    } catch (error) {
      throw explainDiskError(error, this.root);
    }
  }

  /** Removes drafts and leases of killed processes, as every write does. @throws InputError if the disk cannot be written. */
  async tidy(): Promise<void> {
    await this.#write(async () => undefined);
  }

  async #removeLeftovers(): Promise<void> {
    for (const name of await namesIn(this.path('tmp'))) {
      const path = this.path('tmp', name);
      const { mtimeMs } = (await stat(path).catch(ignore('ENOENT'))) ?? { mtimeMs: Date.now() };
      const isOld = Date.now() - mtimeMs > FOREIGN_DRAFT_MS;
      if (isOld || isDead(name.slice(name.indexOf('.') + 1))) await removeTree(path);
    }
    for (const name of await namesIn(this.path('locks'))) {
      quiet(() => removeEnded(this.path('locks', name), Number.POSITIVE_INFINITY));
    }
  }

  /** Records that an entry is in use now, for gc. Does nothing on a disk that cannot be written. */
  async used(key: string): Promise<void> {
    const now = new Date();
    await utimes(this.folderOf(key), now, now).catch(ignore('EROFS', 'EACCES', 'EPERM', 'ENOENT'));
  }

  /** The keys of all entries, complete or not, or of all checkpoints, sorted. */
  async keys(part: 'entries' | 'checkpoints' = 'entries'): Promise<string[]> {
    if (!(await this.exists())) return [];
    let names = await namesIn(this.path(part));
    if (part === 'entries') {
      names = (await Promise.all(names.map((shard) => namesIn(this.path(part, shard))))).flat();
    }
    return names.filter(isKey).sort();
  }

  /** All entries whose records can be read. Files are not examined, and nothing is deleted. */
  async *entries(): AsyncIterable<Entry> {
    for (const key of await this.keys()) {
      const entry = await readEntry(this.folderOf(key), key).catch((error: unknown) => {
        if (error instanceof DamagedError || error instanceof InputError) return undefined;
        throw error;
      });
      if (entry) yield entry;
    }
  }

  /** Waits until this process holds the key; see `lock`. @throws InputError if the disk cannot be written. */
  async lock(key: string, options?: LockOptions): Promise<Lock> {
    return this.#write(() => lock(this.path('locks', `${key}.lock`), options));
  }

  /** Describes the process that holds the key; undefined if there is none. Changes nothing. */
  holder(key: string): string | undefined {
    return holderOf(this.path('locks', `${key}.lock`));
  }
}

/** Distinguishes an entry from a later one of the same key. */
async function identityOf(path: string): Promise<string | undefined> {
  const info = await stat(path, { bigint: true }).catch(ignore('ENOENT', 'ENOTDIR'));
  return info && `${info.ino} ${info.ctimeNs}`;
}

/** Renames a directory; false if the target is a directory that is not empty. */
async function isRenamed(from: string, to: string): Promise<boolean> {
  const taken = ['ENOTEMPTY', 'EEXIST', ...(process.platform === 'win32' ? ['EPERM', 'EACCES'] : [])];
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    return ignore(...taken)(error) ?? false;
  }
}

/** Deletes a directory that another process may be deleting, too. */
async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 }).catch(
    ignore('ENOENT', 'ENOTDIR', 'ENOTEMPTY'),
  );
}
