import { rmdirSync, rmSync } from 'node:fs';
import { mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, normalize, resolve, sep } from 'node:path';
import type { OutputFolder } from '../../stages/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';

/** The file that marks a folder as a run's, and says what the run was. */
export const MANIFEST = 'run.json';
/** Where stages' outputs are kept for later runs, below a run's folder. */
export const STORE = 'stages';

const ASIDE = /^\.partial-(\d+)$/;
/** Folders that runs of this process have open. */
const opened = new Set<string>();

/**
 * The folder of one run. Everything is written aside, in a folder of this process, and renamed into place when it is
 * complete; the aside folder goes when the process ends, however it ends. Nothing is made before `open`, and what `open`
 * made goes with `close` where nothing was placed in it.
 */
export class RunFolder {
  readonly root: string;
  readonly #aside: string;
  #serial = 0;
  /** Folders that `open` made, the innermost first. */
  #made: string[] = [];
  readonly #atExit = () => this.#clear();

  constructor(root: string) {
    this.root = resolve(root);
    this.#aside = join(this.root, `.partial-${process.pid}`);
  }

  get isOpen(): boolean {
    return opened.has(this.root);
  }

  /**
   * Throws InputError where `root` is a file, a folder with anything in it that is no run of ours, or one that another
   * run is writing to.
   */
  static async check(root: string): Promise<void> {
    const info = await stat(root).catch(() => undefined);
    if (!info) return;
    if (!info.isDirectory()) throw new InputError('this is a file; expected a folder for the results', root);
    const all = await readdir(root);
    refuseOthers(root, all);
    const names = all.filter((name) => !ASIDE.test(name));
    if (names.length && !names.includes(MANIFEST)) {
      throw new InputError(
        `this folder holds other files (${names.slice(0, 3).join(', ')}); expected a new or empty one, or an earlier run's`,
        root,
      );
    }
  }

  /** Makes the folder, and takes away what runs that were killed left half-written in it. */
  async open(): Promise<void> {
    await RunFolder.check(this.root);
    if (this.isOpen) throw new InputError('a run of this process is writing here already', this.root);
    opened.add(this.root);
    process.once('exit', this.#atExit);
    try {
      const first = await mkdir(this.root, { recursive: true });
      for (let made = this.root; first && made.length >= first.length; made = dirname(made)) {
        this.#made.push(made);
      }
      await rm(this.#aside, { recursive: true, force: true }); // of an earlier process with our number
      await mkdir(this.#aside);
      const names = await readdir(this.root);
      refuseOthers(this.root, names); // who came in the meantime
      for (const name of names) {
        if (ownerOf(name) && ownerOf(name) !== process.pid) await this.remove(name);
      }
    } catch (error) {
      this.close();
      throw error;
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

  close(): void {
    if (!this.isOpen) return;
    process.removeListener('exit', this.#atExit);
    this.#clear();
    opened.delete(this.root);
  }

  /** Synchronous, because a process that ends waits for nothing. */
  #clear(): void {
    try {
      rmSync(this.#aside, { recursive: true, force: true });
      for (const folder of this.#made) rmdirSync(folder);
    } catch {
      // A folder that holds something stays, and so do those around it; what the run failed of is not hidden.
    }
  }
}

/** Whether a path names a file for people: below the folder, and neither the store nor the manifest. */
export function isResultPath(path: string): boolean {
  const clean = normalize(path);
  const [top] = clean.split(sep);
  return !clean.startsWith(sep) && !['..', '.', '', STORE, MANIFEST].includes(top) && !ASIDE.test(top);
}

/** Collects what a stage writes, aside; `publish` moves all of it into place when the stage has succeeded. */
export class StagedOutput implements OutputFolder {
  readonly #folder: RunFolder;
  readonly #paths = new Set<string>();
  #aside?: Promise<string>;

  constructor(folder: RunFolder) {
    this.#folder = folder;
  }

  async write(path: string, bytes: Uint8Array | string): Promise<void> {
    const clean = normalize(path);
    if (!isResultPath(path)) throw new Error(`a stage cannot write to ${path}`);
    this.#aside ??= this.#folder.aside();
    const target = join(await this.#aside, clean);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, bytes);
    this.#paths.add(clean);
  }

  /** Puts the files in place and returns their paths below the run's folder, sorted. A folder replaces its forerunner. */
  async publish(): Promise<string[]> {
    if (this.#aside) {
      const aside = await this.#aside;
      for (const name of await readdir(aside)) await this.#folder.place(join(aside, name), name);
    }
    return [...this.#paths].sort();
  }
}

/** The process that a folder aside belongs to. */
function ownerOf(name: string): number | undefined {
  const owner = ASIDE.exec(name)?.[1];
  return owner === undefined ? undefined : Number(owner);
}

function refuseOthers(root: string, names: readonly string[]): void {
  for (const name of names) {
    const owner = ownerOf(name);
    if (owner === undefined || owner === process.pid || !isAlive(owner)) continue;
    throw new InputError(
      `another run (process ${owner}) is writing here; wait for it or choose another folder with --out ` +
        `(if process ${owner} is something else, delete ${name})`,
      root,
    );
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0); // signal 0 only asks
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}
