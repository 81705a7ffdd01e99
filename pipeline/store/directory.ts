import { rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { codeOf, explainDiskError, ignore, makeDirectory, replaceDurably, syncDirectory } from './disk.ts';
import { atExit, lifeOf, ownerName, quiet } from './locks.ts';

/** The file that marks a directory as a store. */
const MARKER = 'store.json';
const FORMAT = 1;
const CACHE_TAG = 'CACHEDIR.TAG';
/** https://bford.info/cachedir/: backups skip a directory whose tag begins with this line. */
const CACHE_TAG_TEXT =
  'Signature: 8a477f597d28d172789f06886806bc55\n' +
  '# This folder is a store of splatline: everything in it can be computed again.\n';
const PARTS = ['entries', 'checkpoints', 'locks', 'runs', 'damaged', 'tmp'] as const;

/** An entry or a checkpoint is not as it was written. */
export interface DamagedEvent {
  what: 'entry' | 'checkpoint';
  key: string;
  /** Where it was found. */
  path: string;
  /** What was found and what was expected. */
  reason: string;
  /** Where it is now; undefined if it could not be moved, as on a read-only disk. */
  movedTo?: string;
}

/** Temporary directories of this process. They are removed when it ends, unless it is killed. */
const temporaries = new Set<string>();
atExit(() => {
  for (const path of temporaries) quiet(() => rmSync(path, { recursive: true, force: true }));
});

/**
 * The directory of a store, and how it changes: everything is written in a temporary directory, which is renamed into
 * place when it is complete and durable, and renamed away before it is deleted. Nothing is created before `write`.
 */
export class StoreDirectory {
  readonly root: string;
  /** Called when an entry or checkpoint is not as it was written; it is set aside and never used. */
  onDamaged: (event: DamagedEvent) => void = () => undefined;
  #isPrepared = false;

  constructor(root: string) {
    this.root = root;
  }

  path(part: (typeof PARTS)[number], ...names: readonly string[]): string {
    return join(this.root, part, ...names);
  }

  /** @throws InputError if the root is a file, holds other files, or was written by a newer version. */
  async exists(): Promise<boolean> {
    const marker = join(this.root, MARKER);
    const text = await readFile(marker, 'utf8').catch(ignore('ENOENT', 'ENOTDIR'));
    if (text !== undefined) {
      refuseNewer(
        quiet(() => JSON.parse(text)), // a power cut may have emptied the marker of a new store
        FORMAT,
        marker,
        'store',
      );
      return true;
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
      `this folder holds other files (${others.slice(0, 3).join(', ')}) and no ${MARKER}, so it is no store; ` +
        'choose a new or empty folder with --store',
      this.root,
    );
  }

  /**
   * Runs `work`, which writes to the store. Creates the store if there is none.
   * @throws InputError if the disk cannot be written.
   */
  async write<T>(work: () => Promise<T>): Promise<T> {
    try {
      if (!(await this.exists())) {
        await makeDirectory(this.root);
        await writeFile(join(this.root, CACHE_TAG), CACHE_TAG_TEXT);
        await replaceDurably(join(this.root, MARKER), `${JSON.stringify({ format: FORMAT })}\n`);
        this.#isPrepared = false;
      }
      if (!this.#isPrepared) {
        for (const part of PARTS) await mkdir(this.path(part), { recursive: true });
        await syncDirectory(this.root);
        this.#isPrepared = true;
        for (const name of await readdir(this.path('tmp'))) {
          if (lifeOf(name) === 'dead') await removeTree(this.path('tmp', name)); // its process was killed
        }
      }
      return await work();
    } catch (error) {
      throw explainDiskError(error, this.root);
    }
  }

  /** A new temporary directory, of this process until it is passed to `place` or `discard`. */
  async temporary(): Promise<string> {
    const path = this.#temporaryPath();
    await this.write(() => mkdir(path));
    return path;
  }

  #temporaryPath(): string {
    const path = this.path('tmp', ownerName());
    temporaries.add(path);
    return path;
  }

  /** Deletes a temporary directory; does nothing if it is gone. */
  async discard(temporary: string): Promise<void> {
    await removeTree(temporary);
    temporaries.delete(temporary);
  }

  /** Moves a complete and synced temporary directory to `target`, durably, and replaces what was there. */
  async place(temporary: string, target: string): Promise<void> {
    await makeDirectory(dirname(target));
    for (let tries = 0; ; tries++) {
      try {
        await rename(temporary, target);
        break;
      } catch (error) {
        if (!isTaken(error) || tries === 10) throw error; // ten other processes were faster
        await this.remove(target);
      }
    }
    temporaries.delete(temporary);
    await syncDirectory(dirname(target));
  }

  /** Deletes `path`, which disappears in one rename, also on a full disk. False if there was nothing. */
  async remove(path: string): Promise<boolean> {
    const moved = this.#temporaryPath();
    try {
      const found = await this.write(() =>
        rename(path, moved).then(
          () => true,
          (error: unknown) => ignore('ENOENT')(error) ?? false,
        ),
      );
      if (found) await removeTree(moved);
      return found;
    } finally {
      temporaries.delete(moved);
    }
  }

  /**
   * Moves a damaged directory to `damaged/<name>-<n>` and writes the reason to `why.txt` there. Returns its new path;
   * undefined if another process was faster.
   * @throws InputError if the disk cannot be written.
   */
  moveToDamaged(path: string, name: string, reason: string): Promise<string | undefined> {
    return this.write(async () => {
      for (let n = 1; ; n++) {
        const target = this.path('damaged', `${name}-${n}`);
        try {
          await rename(path, target);
        } catch (error) {
          if (codeOf(error) === 'ENOENT') return undefined;
          if (!isTaken(error)) throw error;
          continue;
        }
        await syncDirectory(this.path('damaged'));
        await writeFile(join(target, 'why.txt'), `${reason}\n`).catch(ignore('ENOSPC', 'EDQUOT'));
        return target;
      }
    });
  }

  /** Sets a damaged directory aside and reports it. On a disk that cannot be written it stays in place. */
  async reportDamaged(event: Omit<DamagedEvent, 'movedTo'>, name: string): Promise<void> {
    const movedTo = await this.moveToDamaged(event.path, name, event.reason).catch((error: unknown) => {
      if (error instanceof InputError) return undefined;
      throw error;
    });
    this.onDamaged({ ...event, ...(movedTo === undefined ? {} : { movedTo }) });
  }

  /** @throws InputError if nothing can be written, with the folder, the cause and the remedy. */
  async writable(): Promise<void> {
    const temporary = await this.temporary();
    try {
      // A full disk may still take names, but not contents.
      await this.write(() => replaceDurably(join(temporary, 'probe'), ' '.repeat(2 ** 16)));
    } finally {
      await this.discard(temporary);
    }
  }
}

/** @throws InputError if the JSON names a format above `known`. */
export function refuseNewer(json: unknown, known: number, path: string, what: string): void {
  const { success, data } = z.object({ format: z.number() }).safeParse(json);
  if (!success || data.format <= known) return;
  throw new InputError(
    `this ${what} has format ${data.format}, written by a newer splatline; this version reads formats up to ${known}; ` +
      'use that version or choose another store with --store',
    path,
  );
}

/** Whether a rename failed because the target is a directory that is not empty. */
function isTaken(error: unknown): boolean {
  const windows = process.platform === 'win32' ? ['EPERM', 'EACCES'] : [];
  return ['ENOTEMPTY', 'EEXIST', ...windows].includes(codeOf(error) ?? '');
}

/** Deletes a directory that another process may be deleting, too. */
async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 }).catch(ignore('ENOENT', 'ENOTEMPTY'));
}
