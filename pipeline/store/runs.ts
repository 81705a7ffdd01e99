import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { refuseNewer, type StoreDirectory } from './directory.ts';
import { ignore, namesIn, replaceDurably } from './disk.ts';
import { checkKey } from './entry.ts';

const FORMAT = 1;

const noteSchema = z.object({
  format: z.literal(FORMAT),
  /** The run's folder, absolute. */
  path: z.string(),
  /** The same relative to the store, for a store that is moved together with its runs. */
  relative: z.string(),
  keys: z.array(z.string()),
});

export interface KnownRun {
  /** Absolute. */
  folder: string;
  /** Of the entries that it shows. */
  keys: string[];
  /** Whether its run.json exists. Only then does gc keep its entries. */
  kept: boolean;
  /** The store's note of the run. */
  note: string;
}

/** The run folders that were built from a store: one note per run, so that gc keeps what they show. */
export class Runs {
  readonly #directory: StoreDirectory;

  constructor(directory: StoreDirectory) {
    this.#directory = directory;
  }

  /**
   * Notes that the run in `folder` needs these keys and no others.
   * @throws InputError if the disk cannot be written.
   */
  async remember(folder: string, keys: readonly string[]): Promise<void> {
    keys.forEach(checkKey);
    const { root } = this.#directory;
    const path = resolve(folder);
    const note = { format: FORMAT, path, relative: relative(resolve(root), path), keys };
    const file = this.#directory.path('runs', `${createHash('sha256').update(path).digest('hex')}.json`);
    await this.#directory.write(() => replaceDurably(file, `${JSON.stringify(note, null, 1)}\n`));
  }

  /** All runs with a note, sorted by folder. @throws InputError if a note is damaged: its keys are unknown. */
  async all(): Promise<KnownRun[]> {
    const names = await namesIn(this.#directory.path('runs'));
    const notes = names.filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
    const runs = await Promise.all(notes.map((name) => this.#read(this.#directory.path('runs', name))));
    return runs.flat().sort((a, b) => (a.folder < b.folder ? -1 : 1));
  }

  async #read(note: string): Promise<KnownRun[]> {
    const text = await readFile(note, 'utf8').catch(ignore('ENOENT'));
    if (text === undefined) return [];
    const { path, relative: below, keys } = parseNote(text, note);
    const folders = [path, resolve(this.#directory.root, below)];
    const kept = folders.find((folder) => existsSync(join(folder, 'run.json')));
    return [{ folder: kept ?? path, keys, kept: kept !== undefined, note }];
  }
}

function parseNote(text: string, file: string): z.infer<typeof noteSchema> {
  try {
    const json: unknown = JSON.parse(text);
    refuseNewer(json, FORMAT, file, 'note of a run');
    return noteSchema.parse(json);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError('is not a note of a run, or damaged; delete it and run that pipeline again', file);
  }
}
