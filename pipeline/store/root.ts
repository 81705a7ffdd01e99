import { existsSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { codeOf, explainDiskError, ignore } from './disk-errors.ts';
import { replaceDurably, syncFolder } from './durable.ts';
import { asideName, asideOwner } from './leftovers.ts';
import { refuseNewer } from './record.ts';

/** The file that marks a folder as a store. */
export const MARKER = 'store.json';
const FORMAT = 1;
const CACHE_TAG = 'CACHEDIR.TAG';
/** https://bford.info/cachedir/: backups leave out a folder whose tag begins with this line. */
const CACHE_TAG_TEXT =
  'Signature: 8a477f597d28d172789f06886806bc55\n' +
  '# This folder is a store of splatline: what is in it can be computed again.\n';
const ROOMS = ['entries', 'checkpoints', 'locks', 'runs', 'damaged', 'tmp'] as const;
type Room = (typeof ROOMS)[number];

/** Told when something in the store is not as it was written. */
export interface DamagedEvent {
  what: 'entry' | 'checkpoint';
  key: string;
  /** Where it lay. */
  path: string;
  /** What was found, and what was expected. */
  reason: string;
  /** Where it lies now; undefined where it could not be moved, as on a read-only disk. */
  movedTo?: string;
}

/** Folders aside of this process; they go when it ends, unless it is killed. */
const open = new Set<string>();
let watching = false;

/**
 * The folder of a store: its marker, its rooms, and the folders aside in which everything is written before it is renamed
 * into place. Makes nothing on disk before `prepare`.
 */
export class StoreRoot {
  readonly path: string;
  onDamaged: (event: DamagedEvent) => void = () => undefined;
  #swept = false;

  constructor(path: string) {
    this.path = path;
  }

  in(room: Room, ...names: readonly string[]): string {
    return join(this.path, room, ...names);
  }

  /**
   * Whether there is a store. @throws InputError where `path` is a file, holds other things, or is a newer version's.
   */
  async exists(): Promise<boolean> {
    const text = await readFile(join(this.path, MARKER), 'utf8').catch(ignore('ENOENT', 'ENOTDIR'));
    if (text !== undefined) {
      refuseNewer(parse(text), FORMAT, join(this.path, MARKER), 'store');
      return true;
    }
    const names = await readdir(this.path).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [];
      if (codeOf(error) !== 'ENOTDIR') throw error;
      throw new InputError('this is a file; a store is a folder: choose another with --store', this.path);
    });
    // Another process may be making it in this moment: tag and marker come one after the other.
    const others = names.filter((name) => name !== CACHE_TAG && !name.includes(MARKER));
    if (!others.length) return false;
    throw new InputError(
      `this folder holds other files (${others.slice(0, 3).join(', ')}) and no ${MARKER}, so it is no store; ` +
        'choose a new or empty folder with --store',
      this.path,
    );
  }

  /** Makes the store where there is none, and takes away what killed processes left half-written. */
  async prepare(): Promise<void> {
    try {
      if (!(await this.exists())) await this.#make();
      if (this.#swept) return;
      for (const room of ROOMS) await mkdir(this.in(room), { recursive: true });
      this.#swept = true;
      for (const name of await readdir(this.in('tmp'))) {
        if (asideOwner(name) === 'dead') await removeTree(this.in('tmp', name));
      }
    } catch (error) {
      throw explainDiskError(error, this.path);
    }
  }

  async #make(): Promise<void> {
    const first = await makeFolders(this.path);
    await writeFile(join(this.path, CACHE_TAG), CACHE_TAG_TEXT);
    await replaceDurably(join(this.path, MARKER), `${JSON.stringify({ format: FORMAT })}\n`);
    if (first) await syncFolder(join(first, '..'));
    this.#swept = false;
  }

  /** A new folder aside, this process's until `drop`, or until it is renamed into place and `released`. */
  async aside(): Promise<string> {
    const folder = this.in('tmp', asideName());
    await this.prepare();
    await mkdir(folder);
    return this.#own(folder);
  }

  #own(folder: string): string {
    if (!watching) process.on('exit', clear);
    watching = true;
    open.add(folder);
    return folder;
  }

  /** Forgets a folder aside that lies elsewhere now. */
  release(folder: string): void {
    open.delete(folder);
  }

  /** Takes a folder aside away. */
  async drop(folder: string): Promise<void> {
    await removeTree(folder);
    open.delete(folder);
  }

  /**
   * Moves a finished folder aside to `target`, durably, in place of what was there. Between the two there is nothing: a
   * process that is killed there leaves the old one in a folder aside.
   */
  async place(aside: string, target: string): Promise<void> {
    const above = join(target, '..');
    const made = await mkdir(above, { recursive: true });
    const old: string[] = [];
    for (let tries = 0; ; tries++) {
      try {
        await rename(aside, target);
        break;
      } catch (error) {
        if (!isTaken(error) || tries === 10) throw error; // ten others came between, all in these milliseconds
        const moved = await this.takeOut(target);
        if (moved) old.push(moved);
      }
    }
    this.release(aside);
    await syncFolder(above);
    if (made) await syncFolder(join(made, '..'));
    for (const folder of old) await this.drop(folder);
  }

  /** Moves a folder out of everybody's sight in one rename; undefined where it is gone already. */
  async takeOut(path: string): Promise<string | undefined> {
    await this.prepare();
    const aside = this.#own(this.in('tmp', asideName())); // no folder is made: that works on a full disk, too
    const moved = await rename(path, aside).then(
      () => true,
      (error: unknown) => ignore('ENOENT')(error) ?? false,
    );
    if (moved) return aside;
    this.release(aside);
    return undefined;
  }

  /** Takes a folder out and deletes it, so that no half of it is ever seen. False where it is gone already. */
  async remove(path: string): Promise<boolean> {
    const moved = await this.takeOut(path);
    if (moved) await this.drop(moved);
    return moved !== undefined;
  }

  /**
   * Moves what is damaged to `damaged/<name>-<n>`, with the reason in `why.txt`; gives its path there, or undefined where
   * another process was first.
   */
  async setAside(path: string, name: string, reason: string): Promise<string | undefined> {
    try {
      await this.prepare();
      for (let n = 1; ; n++) {
        const target = this.in('damaged', `${name}-${n}`);
        if (await stat(target).catch(ignore('ENOENT'))) continue;
        try {
          await rename(path, target);
        } catch (error) {
          if (codeOf(error) === 'ENOENT') return undefined;
          if (!isTaken(error)) throw error; // else another process has just set one aside under this number
          continue;
        }
        await syncFolder(this.in('damaged'));
        await writeFile(join(target, 'why.txt'), `${reason}\n`).catch(ignore('ENOSPC', 'EDQUOT'));
        return target;
      }
    } catch (error) {
      throw explainDiskError(error, this.path);
    }
  }

  /** Sets aside what was found damaged and tells; where the disk takes no change it stays, and is told all the same. */
  async reportDamaged(event: Omit<DamagedEvent, 'movedTo'>, name: string): Promise<void> {
    const movedTo = await this.setAside(event.path, name, event.reason).catch((error: unknown) => {
      if (error instanceof InputError) return undefined;
      throw error;
    });
    this.onDamaged({ ...event, ...(movedTo === undefined ? {} : { movedTo }) });
  }

  /** @throws InputError where nothing can be written: which folder, what the system said, what to do. */
  async checkWritable(): Promise<void> {
    const aside = await this.aside().catch((error: unknown) => {
      throw explainDiskError(error, this.path);
    });
    try {
      // A full disk still takes names; it does not take contents.
      await replaceDurably(join(aside, 'probe'), ' '.repeat(2 ** 16));
    } catch (error) {
      throw explainDiskError(error, this.path);
    } finally {
      await this.drop(aside);
    }
  }
}

/** The first folder that had to be made, like `mkdir` gives it. */
async function makeFolders(path: string): Promise<string | undefined> {
  return mkdir(path, { recursive: true }).catch(async (error: unknown) => {
    // On a read-only disk Node's recursive mkdir says ENOENT; the plain one, where the parent is there, says why.
    if (codeOf(error) !== 'ENOENT') throw error;
    let first = resolve(path);
    while (!existsSync(dirname(first)) && dirname(first) !== first) first = dirname(first);
    await mkdir(first);
    throw error;
  });
}

/** Whether a folder could not be renamed because there is one that is not empty. */
function isTaken(error: unknown): boolean {
  const windows = process.platform === 'win32' ? ['EPERM', 'EACCES'] : [];
  return ['ENOTEMPTY', 'EEXIST', ...windows].includes(codeOf(error) ?? '');
}

/** Deletes a folder that another process may be deleting, too. */
async function removeTree(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(ignore('ENOENT', 'ENOTEMPTY'));
}

/** Synchronous, because a process that ends waits for nothing. */
function clear(): void {
  for (const folder of open) {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // The next process that writes to this store takes it away.
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // cut short by a power failure in its first moment: a store all the same
  }
}
