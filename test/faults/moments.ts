import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * Instants that a clock seldom hits, by the names that appear on disk: something is being written aside, a checkpoint or
 * an entry was just renamed into place, a lock was made, the run's folder is being put together.
 */
const NAMES = {
  aside: /^store\/tmp\/./,
  checkpoint: /^store\/checkpoints\/[^/]+\/[^/]+$/,
  entry: /^store\/entries\/[^/]+\/[^/]+$/,
  lock: /^store\/locks\/./,
  view: /^out\/./,
} as const;

export type Moment = keyof typeof NAMES;
export const MOMENTS = Object.keys(NAMES) as Moment[];

export function momentOf(path: string): Moment | undefined {
  return MOMENTS.find((moment) => NAMES[moment].test(path));
}

/** Tells each name that appears below a folder, which must be there, from now until `close`; not those that are there. */
export class FolderWatch {
  readonly #root: string;
  readonly #onName: (path: string) => void;
  readonly #watchers = new Map<string, FSWatcher>();

  /** `onName` gets paths below `root`, with `/`. */
  constructor(root: string, onName: (path: string) => void) {
    this.#root = root;
    this.#onName = onName;
    this.#watch(root, () => {});
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** `tell` is given what is in the folder already: none of it is news at first, all of it in a new folder. */
  #watch(folder: string, tell: (path: string) => void): void {
    if (this.#watchers.has(folder)) return;
    try {
      const watcher = watch(folder, (kind, name) => {
        if (kind === 'rename' && name !== null) this.#look(join(folder, name), this.#onName);
      });
      watcher.on('error', () => this.#forget(folder));
      this.#watchers.set(folder, watcher);
      for (const name of readdirSync(folder)) this.#look(join(folder, name), tell);
    } catch {
      this.#forget(folder); // it is gone already
    }
  }

  #look(path: string, tell: (path: string) => void): void {
    const info = statSync(path, { throwIfNoEntry: false });
    if (!info) {
      this.#forget(path);
      return;
    }
    tell(relative(this.#root, path).replaceAll('\\', '/'));
    if (info.isDirectory()) this.#watch(path, tell);
  }

  #forget(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }
}
