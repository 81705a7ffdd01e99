import { rmdirSync, rmSync } from 'node:fs';
import { mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, normalize, resolve, sep } from 'node:path';
import type { OutputFolder } from '../../stages/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { explainDiskError, ignore } from '../store/disk.ts';
import { type Lock, type LockOptions, lock } from '../store/lock.ts';

/** The file that marks a folder as a run's and describes the run. */
export const MANIFEST = 'run.json';
/** One folder per stage, below a run's folder. */
export const STAGES = 'stages';
/** The store of a run with a folder of its own (`--out`). */
export const STORE = '.store';

const STAGING = '.partial';
const LOCK = '.run.lock';
/** Folders that runs of this process have open. */
const opened = new Set<string>();

/**
 * The folder of one run. Files and folders are completed in a staging folder and renamed into place; the staging folder is
 * removed when the process ends. One run at a time: a second one waits in `open`. Nothing is made before that, and `close`
 * removes the folders that `open` made if they are still empty.
 */
export class RunFolder {
  readonly root: string;
  readonly #staging: string;
  #serial = 0;
  #lock?: Lock;
  /** Folders that `open` made, the innermost first. */
  #made: string[] = [];
  readonly #atExit = () => this.#clear();

  constructor(root: string) {
    this.root = resolve(root);
    this.#staging = join(this.root, STAGING);
  }

  get isOpen(): boolean {
    return this.#lock !== undefined;
  }

  /** @throws InputError where `root` is a file, or a folder with files that are no run's. */
  static async check(root: string): Promise<void> {
    const info = await stat(root).catch(() => undefined);
    if (!info) return;
    if (!info.isDirectory()) throw new InputError('this is a file; expected a folder for the results', root);
    const names = (await readdir(root)).filter((name) => !isRunnersOwn(name));
    if (names.length && !names.includes(MANIFEST)) {
      throw new InputError(
        `this folder holds other files (${names.slice(0, 3).join(', ')}); expected a new or empty one, or an earlier run's`,
        root,
      );
    }
  }

  /** Whether an earlier run has written to `root`. */
  static async isRun(root: string): Promise<boolean> {
    return (await stat(join(root, MANIFEST)).catch(() => undefined)) !== undefined;
  }

  /**
   * Makes the folder, waits for a run that has it open, and removes the staging folder of a run that was killed.
   * @throws InputError where the folder cannot be written.
   */
  async open(waiting: LockOptions = {}): Promise<void> {
    await RunFolder.check(this.root);
    if (opened.has(this.root)) {
      throw new InputError('a run of this process is writing here already', this.root);
    }
    opened.add(this.root);
    process.once('exit', this.#atExit);
    try {
      const first = await mkdir(this.root, { recursive: true });
      for (let made = this.root; first && made.length >= first.length; made = dirname(made)) {
        this.#made.push(made);
      }
      this.#lock = await lock(join(this.root, LOCK), waiting);
      await rm(this.#staging, { recursive: true, force: true });
      await mkdir(this.#staging);
    } catch (error) {
      await this.close();
      throw explainDiskError(error, this.root);
    }
  }

  /** A new staging folder, to be filled and then placed. */
  async stage(): Promise<string> {
    const path = join(this.#staging, String(this.#serial++));
    await mkdir(path);
    return path;
  }

  /** Moves a finished file or folder to `path` below the root and removes what it replaces. */
  async place(from: string, path: string): Promise<void> {
    const target = join(this.root, path);
    await mkdir(dirname(target), { recursive: true });
    const old = join(await this.stage(), 'old');
    // A folder cannot be renamed over one that is not empty.
    await rename(target, old).catch(ignore('ENOENT'));
    await rename(from, target);
    await rm(old, { recursive: true, force: true });
  }

  /** Removes one file, and the folders above it that are empty then. */
  async remove(path: string): Promise<void> {
    await rm(join(this.root, path), { recursive: true, force: true });
    for (let above = dirname(normalize(path)); above !== '.'; above = dirname(above)) {
      try {
        await rmdir(join(this.root, above));
      } catch {
        return;
      }
    }
  }

  /** Writes one file, complete or not at all. */
  async write(path: string, bytes: Uint8Array | string): Promise<void> {
    const file = join(await this.stage(), 'file');
    await writeFile(file, bytes);
    await this.place(file, path);
  }

  async close(): Promise<void> {
    if (!opened.delete(this.root)) return;
    process.removeListener('exit', this.#atExit);
    this.#clear();
    this.#lock?.release();
    this.#lock = undefined;
    try {
      for (const folder of this.#made) rmdirSync(folder);
    } catch {
      // A folder that is not empty stays, and so do those above it.
    }
  }

  /** Synchronous, for the end of the process. */
  #clear(): void {
    if (!this.#lock) return; // the staging folder is another run's
    try {
      rmSync(this.#staging, { recursive: true, force: true });
    } catch {
      // The next run removes it. An error here would hide the one that ended the run.
    }
  }
}

/** Whether a path is one of a file for people: below the folder, and not one that the runner keeps for itself. */
export function isResultPath(path: string): boolean {
  const clean = normalize(path);
  const [top] = clean.split(sep);
  return !clean.startsWith(sep) && !['..', '.', '', STAGES, MANIFEST].includes(top) && !isRunnersOwn(top);
}

/** A stage's files for people, in a folder of a store entry that is not finished yet. */
export class StagedOutput implements OutputFolder {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async write(path: string, bytes: Uint8Array | string): Promise<void> {
    if (!isResultPath(path)) throw new Error(`a stage cannot write to ${path}`);
    const target = join(this.#root, normalize(path));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, bytes);
  }
}

/** Names that do not tell a run's folder from others: the staging folder, the lock, the store. */
function isRunnersOwn(name: string): boolean {
  return [STAGING, STORE].includes(name) || name.startsWith(LOCK);
}
