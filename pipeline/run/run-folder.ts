import { rmdirSync, rmSync } from 'node:fs';
import { mkdir, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { dirname, join, normalize, resolve, sep } from 'node:path';
import type { OutputFolder } from '../../stages/stage.ts';
import { InputError } from '../../wgsl/core/index.ts';
import { drafts, explainDiskError, ignore, namesIn, quiet } from '../store/disk.ts';
import { isBelow } from '../store/entry.ts';
import { type Lock, type LockOptions, lock } from '../store/lock.ts';

/** The file that marks a folder as a run's and describes the run. */
export const MANIFEST = 'run.json';
/** The page that shows a run, and that no result replaces. It is not a result: no key and no check covers it. */
export const REPORT = 'report.html';
/** The pipeline file of a run that had none of its own. It is not a result either. */
export const PIPELINE = 'pipeline.yaml';
/** One folder per stage, below a run's folder. */
export const STAGES = 'stages';
/** The store of a run with its own folder (`--out`). */
export const STORE = '.store';

/** The events of a running run, for other processes (`live-log.ts`). */
export const LIVE = '.live';
/** The lock of a run that has the folder open. */
export const LOCK = '.run.lock';

const STAGING = '.partial';
/** Names that do not distinguish a run's folder from others. */
const OWN = [STAGING, LOCK, LIVE, STORE];

/** Checks that a folder is missing, empty, or contains one of `markers` from an earlier run. @throws InputError */
export async function checkFolder(root: string, markers: readonly string[] = [MANIFEST]): Promise<void> {
  const fault = 'this is a file, or is below one; expected a folder for the results';
  const names = await namesIn(root, fault).catch((error: unknown) => {
    throw explainDiskError(error, root, '--out');
  });
  const others = names.filter((name) => !OWN.includes(name));
  if (!others.length || others.some((name) => markers.includes(name))) return;
  const some = others.slice(0, 3).join(', ');
  throw new InputError(
    `this folder contains other files (${some}); expected a new or empty one, or an earlier run's`,
    root,
  );
}

/**
 * The folder of one run. Files and folders are completed in a staging folder and renamed into place; the staging folder is
 * removed when the process ends. One run at a time: a second one waits in `open`. Nothing is created before that, and `close`
 * removes the folders that `open` created if they are still empty.
 */
export class RunFolder {
  readonly root: string;
  readonly #staging: string;
  #serial = 0;
  #lock?: Lock;
  /** The outermost folder that `open` created. */
  #made?: string;

  constructor(root: string) {
    this.root = resolve(root);
    this.#staging = join(this.root, STAGING);
  }

  get isOpen(): boolean {
    return this.#lock !== undefined;
  }

  /** Waits for a run that has the folder open, creates it, and removes the staging of a killed run. @throws InputError */
  async open(waiting: LockOptions = {}): Promise<void> {
    await checkFolder(this.root);
    try {
      await this.#write(async () => {
        this.#made = await mkdir(this.root, { recursive: true });
        this.#lock = await lock(join(this.root, LOCK), waiting);
        drafts.add(this.#staging);
        await rm(this.#staging, { recursive: true, force: true });
        await mkdir(this.#staging);
      });
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** A new folder below the staging folder, to be filled and then placed. */
  async temporary(): Promise<string> {
    const path = this.#unused();
    await this.#write(() => mkdir(path));
    return path;
  }

  #unused(): string {
    return join(this.#staging, String(this.#serial++));
  }

  /** Moves a finished file or folder to `path` below the root and removes what it replaces. */
  async place(from: string, path: string): Promise<void> {
    const target = join(this.root, path);
    const old = this.#unused();
    await this.#write(async () => {
      await mkdir(dirname(target), { recursive: true });
      // A folder cannot be renamed over one that is not empty.
      await rename(target, old).catch(ignore('ENOENT'));
      await rename(from, target);
      await rm(old, { recursive: true, force: true });
    });
  }

  /** Writes one file, complete or not at all. */
  async write(path: string, bytes: Uint8Array | string): Promise<void> {
    const file = this.#unused();
    await this.#write(async () => {
      await writeFile(file, bytes);
      await rename(file, join(this.root, path)); // atomic: `run.json` marks the folder
    });
  }

  /** @throws InputError where the folder cannot be written. */
  async #write<T>(work: () => Promise<T>): Promise<T> {
    return work().catch((error: unknown) => {
      throw explainDiskError(error, this.root, '--out');
    });
  }

  /** Removes one file, and the folders above it that are empty then. */
  async remove(path: string): Promise<void> {
    const file = join(this.root, path);
    await unlink(file).catch(ignore('ENOENT'));
    removeEmpty(dirname(file), this.root.length + 1);
  }

  async close(): Promise<void> {
    if (drafts.delete(this.#staging)) quiet(() => rmSync(this.#staging, { recursive: true, force: true }));
    this.#lock?.release();
    this.#lock = undefined;
    if (this.#made) removeEmpty(this.root, this.#made.length);
    this.#made = undefined;
  }
}

/** Removes a folder and those above it, down to a path of `minLength` characters. One that is not empty ends it. */
function removeEmpty(folder: string, minLength: number): void {
  quiet(() => {
    for (let path = folder; path.length >= minLength; path = dirname(path)) rmdirSync(path);
  });
}

/** Whether a path may be a result file: below the folder, and not reserved by the runner. */
export function isResultPath(path: string): boolean {
  return (
    isBelow(path) && ![STAGES, MANIFEST, REPORT, PIPELINE, ...OWN].includes(normalize(path).split(sep)[0])
  );
}

/** A stage's result files, in the folder of an entry that is not finished yet. */
export function stagedOutput(root: string): OutputFolder {
  return {
    async write(path, bytes) {
      if (!isResultPath(path)) throw new Error(`a stage cannot write to ${path}`);
      const target = join(root, normalize(path));
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, bytes);
    },
  };
}
