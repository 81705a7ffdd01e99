import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { explainDiskError, ignore } from './disk-errors.ts';
import { replaceDurably } from './durable.ts';
import { checkKey, refuseNewer } from './record.ts';
import type { StoreRoot } from './root.ts';

const MANIFEST = 'run.json';

const runSchema = z.object({
  format: z.literal(1),
  /** Absolute. */
  path: z.string(),
  /** Below or beside the store, for a store that is moved together with its runs. */
  relative: z.string(),
  keys: z.array(z.string()),
});

/** A run's folder and the keys of its stages. */
export interface KnownRun {
  /** Where it is, absolute. */
  folder: string;
  keys: string[];
  /** Whether its run.json is there: only then does the store keep what it needs. */
  kept: boolean;
  /** The store's note of it. */
  note: string;
}

/** The run folders that were built from a store. A run notes itself when it starts, so that gc spares what it needs. */
export class Runs {
  readonly #root: StoreRoot;

  constructor(root: StoreRoot) {
    this.#root = root;
  }

  /** Notes that the run in `folder` needs these keys and no others. @throws InputError where the disk refuses. */
  async remember(folder: string, keys: readonly string[]): Promise<void> {
    keys.forEach(checkKey);
    const path = resolve(folder);
    const note = { format: 1, path, relative: relative(resolve(this.#root.path), path), keys };
    await this.#root.prepare();
    await replaceDurably(this.#note(path), `${JSON.stringify(note, null, 1)}\n`).catch((error: unknown) => {
      throw explainDiskError(error, this.#root.path);
    });
  }

  /** The store no longer keeps anything for this run. */
  async forget(folder: string): Promise<void> {
    await rm(this.#note(resolve(folder)), { force: true });
  }

  /** The same for a run that was found among `all`. */
  async forgetNote({ note }: KnownRun): Promise<void> {
    await rm(note, { force: true });
  }

  /** All runs that have noted themselves, those that are gone included; sorted by folder. */
  async all(): Promise<KnownRun[]> {
    const names = (await readdir(this.#root.in('runs')).catch(ignore('ENOENT'))) ?? [];
    const runs: KnownRun[] = [];
    for (const name of names.filter((name) => /^[0-9a-f]{64}\.json$/.test(name))) {
      const run = await this.#read(this.#root.in('runs', name));
      if (run) runs.push(run);
    }
    return runs.sort((a, b) => (a.folder < b.folder ? -1 : 1));
  }

  async #read(note: string): Promise<KnownRun | undefined> {
    const text = await readFile(note, 'utf8').catch(ignore('ENOENT'));
    if (text === undefined) return undefined;
    const { path, relative: below, keys } = parseNote(text, note);
    for (const folder of [path, resolve(this.#root.path, below)]) {
      if (await stat(join(folder, MANIFEST)).catch(ignore('ENOENT', 'ENOTDIR'))) {
        return { folder, keys, kept: true, note };
      }
    }
    return { folder: path, keys, kept: false, note };
  }

  #note(path: string): string {
    return this.#root.in('runs', `${createHash('sha256').update(path).digest('hex')}.json`);
  }
}

function parseNote(text: string, file: string): z.infer<typeof runSchema> {
  try {
    const json: unknown = JSON.parse(text);
    refuseNewer(json, 1, file, 'note of a run');
    return runSchema.parse(json);
  } catch (error) {
    if (error instanceof InputError) throw error;
    // Not passed over: what the run needs would be freed.
    throw new InputError('is not a note of a run, or damaged; delete it and run that pipeline again', file);
  }
}
