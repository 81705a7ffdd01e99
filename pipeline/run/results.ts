import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isResultPath, MANIFEST, type RunFolder } from './folder.ts';
import type { RunFile } from './manifest.ts';

/**
 * The files for people in a run's folder: this run's, and those that an earlier run left, as its run.json lists them. A
 * stage that is redone takes its old files away; what later stages had made from older work goes when the run is done,
 * so that a run that fails leaves it.
 */
export class Results {
  readonly #folder: RunFolder;
  #earlier: RunFile[] = [];
  #files: RunFile[] = [];

  constructor(folder: RunFolder) {
    this.#folder = folder;
  }

  /** This run's files so far, in the order of writing. */
  get files(): readonly RunFile[] {
    return this.#files;
  }

  /** All files that stand in the folder; `earlier` marks those whose stage this run has not come to. */
  get all(): RunFile[] {
    const earlier = this.#earlier.map(({ path, stage }): RunFile => ({ path, stage, earlier: true }));
    return [...earlier, ...this.#files];
  }

  /** Reads what an earlier run left. A run.json that cannot be read lists nothing. */
  async readEarlier(): Promise<void> {
    try {
      const { files } = JSON.parse(await readFile(join(this.#folder.root, MANIFEST), 'utf8')) as {
        files: unknown[];
      };
      this.#earlier = files.filter(isRunFile);
    } catch {
      this.#earlier = [];
    }
  }

  add(paths: readonly string[], stage: string): void {
    const isNew = ({ path }: RunFile) => !paths.includes(path);
    this.#earlier = this.#earlier.filter(isNew);
    this.#files = [...this.#files.filter(isNew), ...paths.map((path) => ({ path, stage }))];
  }

  /** Takes away what an earlier run of this stage left and this one did not write again. */
  async redone(stage: string): Promise<void> {
    await this.#drop((file) => file.stage === stage);
  }

  /** Takes away what was made from older work than this run's. */
  async finish(): Promise<void> {
    await this.#drop(() => true);
  }

  async #drop(isOld: (file: RunFile) => boolean): Promise<void> {
    const old = this.#earlier.filter(isOld);
    this.#earlier = this.#earlier.filter((file) => !isOld(file));
    for (const { path } of old) await this.#folder.removeFile(path);
  }
}

/** A row of some run.json, which may be anything: its path must lie below the folder. */
function isRunFile(row: unknown): row is RunFile {
  if (typeof row !== 'object' || row === null || !('path' in row) || !('stage' in row)) return false;
  return typeof row.path === 'string' && typeof row.stage === 'string' && isResultPath(row.path);
}
