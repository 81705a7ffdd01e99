import { rmdirSync, rmSync } from 'node:fs';
import { mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, normalize, resolve, sep } from 'node:path';
import type { OutputFolder } from '../../stages/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { explainDiskError } from '../store/disk-errors.ts';
import { type Lock, type LockOptions, Locks } from '../store/locks.ts';

/** The file that marks a folder as a run's, and says what the run was. */
export const MANIFEST = 'run.json';
/** One folder per stage, below a run's folder. */
export const STAGES = 'stages';
/** The store, where a run was given a folder of its own (`--out`). */
export const STORE = '.store';

const ASIDE = '.partial';
const LOCK = '.run';
/** Folders that runs of this process have open. */
const opened = new Set<string>();

/**
 * The folder of one run. Everything is put together aside and renamed into place when it is complete; the aside folder
 * goes when the process ends, however it ends. One run at a time: another waits at `open`. Nothing is made before that, and
 * what `open` made goes with `close` where nothing was placed in it.
 */
export class RunFolder {
  readonly root: string;
  readonly #aside: string;
  #serial = 0;
  #lock?: Lock;
  /** Folders that `open` made, the innermost first. */
  #made: string[] = [];
  readonly #atExit = () => this.#clear();

  constructor(root: string) {
    this.root = resolve(root);
    this.#aside = join(this.root, ASIDE);
  }

  get isOpen(): boolean {
    return this.#lock !== undefined;
  }

  /** Throws InputError where `root` is a file, or a folder with anything in it that is no run of ours. */
  static async check(root: string): Promise<void> {
    const info = await stat(root).catch(() => undefined);
    if (!info) return;
    if (!info.isDirectory()) throw new InputError('this is a file; expected a folder for the results', root);
    const names = (await readdir(root)).filter((name) => !isOurs(name));
    if (names.length && !names.includes(MANIFEST)) {
      throw new InputError(
        `this folder holds other files (${names.slice(0, 3).join(', ')}); expected a new or empty one, or an earlier run's`,
        root,
      );
    }
  }

  /** Whether a run has left something at `root`. */
  static async isRun(root: string): Promise<boolean> {
    return (await stat(join(root, MANIFEST)).catch(() => undefined)) !== undefined;
  }

  /**
   * Makes the folder, waits for a run that has it open, and takes away what runs that were killed left half-written.
   * @throws InputError where it cannot be written.
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
      this.#lock = await new Locks(this.root).lock(LOCK, waiting);
      await rm(this.#aside, { recursive: true, force: true });
      await mkdir(this.#aside);
    } catch (error) {
      await this.close();
      throw explainDiskError(error, this.root);
    }
  }

  /** A new folder aside, to write to and then `place`. */
  async aside(): Promise<string> {
    const path = join(this.#aside, String(this.#serial++));
    await mkdir(path);
    return path;
  }

  /** Moves a finished file or folder from aside to `path` below the root, in place of what was there. */
  async place(from: string, path: string): Promise<string> {
    const target = join(this.root, path);
    await mkdir(dirname(target), { recursive: true });
    const old = join(await this.aside(), 'old');
    // A folder cannot be renamed over a full one: the old one steps aside first.
    await rename(target, old).catch(ignoreMissing);
    await rename(from, target);
    await rm(old, { recursive: true, force: true });
    return target;
  }

  async remove(path: string): Promise<void> {
    await rm(join(this.root, path), { recursive: true, force: true });
  }

  /** Removes one file, and the folders around it that hold nothing else. */
  async removeFile(path: string): Promise<void> {
    await this.remove(path);
    for (let above = dirname(normalize(path)); above !== '.'; above = dirname(above)) {
      const emptied = await rmdir(join(this.root, above)).then(
        () => true,
        () => false,
      );
      if (!emptied) return;
    }
  }

  /** Writes one file, complete or not at all. */
  async write(path: string, bytes: Uint8Array | string): Promise<string> {
    const file = join(await this.aside(), 'file');
    await writeFile(file, bytes);
    return this.place(file, path);
  }

  async close(): Promise<void> {
    if (!opened.delete(this.root)) return;
    process.removeListener('exit', this.#atExit);
    this.#clear();
    await this.#lock?.release();
    this.#lock = undefined;
    this.#removeEmpty();
  }

  /** Synchronous, because a process that ends waits for nothing. */
  #clear(): void {
    if (!this.#lock) return; // another run's
    try {
      rmSync(this.#aside, { recursive: true, force: true });
    } catch {
      // It stays until the next run; what this one failed of is not hidden.
    }
  }

  #removeEmpty(): void {
    try {
      for (const folder of this.#made) rmdirSync(folder);
    } catch {
      // A folder that holds something stays, and so do those around it.
    }
  }
}

/** Whether a path names a file for people: below the folder, and none of those that the runner keeps there. */
export function isResultPath(path: string): boolean {
  const clean = normalize(path);
  const [top] = clean.split(sep);
  return !clean.startsWith(sep) && !['..', '.', '', STAGES, MANIFEST].includes(top) && !isOurs(top);
}

/** Takes what a stage writes for people, below a folder of a store entry that is not finished yet. */
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

/** Names that say nothing of what a folder is: of killed runs, of one that is running, of its store. */
function isOurs(name: string): boolean {
  return [ASIDE, STORE].includes(name) || name.startsWith(`${LOCK}.lock`);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}
