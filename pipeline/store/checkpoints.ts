import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { SavedCheckpoint } from '../../stages/checkpoints.ts';
import { HASH_BYTES } from '../hash.ts';
import type { StoreDirectory } from './directory.ts';
import { namesIn } from './disk.ts';
import {
  DamagedError,
  damagesOf,
  describeDamage,
  type Entry,
  EntryWriter,
  parseOrDamaged,
  readEntry,
} from './entry.ts';

/** The newest, and the one before in case the newest is damaged. */
const KEPT = 2;
const DIGITS = 12;

const STATE = 'state.json';
const stateSchema = z.object({
  step: z.int().nonnegative(),
  numbers: z.record(z.string(), z.number()),
  /** Names of the tensors, in their order. */
  tensors: z.array(z.string()),
});

/**
 * The checkpoints of one unfinished stage: one folder per step, written and checked as an entry is, with `state.json`
 * and one file of raw bytes per tensor. The two highest steps are kept. The caller holds the key's lock.
 */
export class Checkpoints {
  readonly key: string;
  readonly #directory: StoreDirectory;

  constructor(directory: StoreDirectory, key: string) {
    this.#directory = directory;
    this.key = key;
  }

  get folder(): string {
    return this.#directory.path('checkpoints', this.key);
  }

  /**
   * Saves a checkpoint durably and replaces one of the same step. The bytes must not change until it resolves. The
   * event loop runs between pieces of the work.
   * @throws InputError if the disk cannot be written; nothing is left then.
   */
  async save({ step, numbers, tensors }: SavedCheckpoint): Promise<void> {
    if (!Number.isSafeInteger(step) || step < 0 || String(step).length > DIGITS) {
      throw new Error(`a checkpoint cannot have step ${step}`);
    }
    for (const [name, value] of Object.entries(numbers)) {
      // JSON has no NaN, infinity or minus zero and would silently store another value.
      if (!Number.isFinite(value) || Object.is(value, -0)) {
        throw new Error(`a checkpoint cannot store ${name} = ${value}`);
      }
    }
    const writer = new EntryWriter(this.#directory, await this.#directory.temporary());
    const state: z.infer<typeof stateSchema> = { step, numbers, tensors: Object.keys(tensors) };
    try {
      await this.#directory.write(async () => {
        await writeFile(join(writer.folder, STATE), `${JSON.stringify(state, null, 1)}\n`);
        await mkdir(join(writer.folder, 'tensors'));
        for (const [name, bytes] of Object.entries(tensors)) await writeFile(fileOf(writer, name), bytes);
      });
      await writer.commit(this.key, { identity: {} }, this.#folderOf(step));
    } catch (error) {
      await writer.discard();
      throw error;
    }
    for (const old of (await this.steps()).slice(0, -KEPT)) {
      await this.#directory.remove(this.#folderOf(old));
    }
  }

  /** The newest undamaged checkpoint. Damaged ones are set aside and reported. */
  async latest(): Promise<SavedCheckpoint | undefined> {
    for (const step of (await this.steps()).reverse()) {
      const path = this.#folderOf(step);
      try {
        const entry = await readEntry(path, this.key);
        if (entry) return await load(entry, step);
      } catch (error) {
        if (!(error instanceof DamagedError)) throw error;
        const event = { what: 'checkpoint', key: this.key, path, reason: error.message } as const;
        await this.#directory.reportDamaged(event, `${this.key}-step-${step}`);
      }
    }
    return undefined;
  }

  /** The steps of all checkpoints, ascending. */
  async steps(): Promise<number[]> {
    const names = await namesIn(this.folder);
    return names
      .filter((name) => name.length === DIGITS && /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** Deletes all of them. False if there were none. */
  async remove(): Promise<boolean> {
    return (await namesIn(this.folder)).length > 0 && this.#directory.remove(this.folder);
  }

  #folderOf(step: number): string {
    return join(this.folder, String(step).padStart(DIGITS, '0'));
  }
}

/** @throws DamagedError if it is not as it was written. */
async function load(entry: Entry, step: number): Promise<SavedCheckpoint> {
  const [damage] = await damagesOf(entry.folder, entry.record.files, true);
  if (damage) throw new DamagedError(describeDamage(damage));
  const json: unknown = JSON.parse(await readFile(join(entry.folder, STATE), 'utf8'));
  const saved = parseOrDamaged(stateSchema, json, STATE);
  if (saved.step !== step) throw new DamagedError(`this is the checkpoint of step ${saved.step}`);
  const tensors: SavedCheckpoint['tensors'] = {};
  for (const name of saved.tensors) tensors[name] = await readBytes(fileOf(entry, name));
  return { step, numbers: saved.numbers, tensors };
}

function fileOf({ folder }: { folder: string }, tensor: string): string {
  return join(folder, 'tensors', `${encodeURIComponent(tensor)}.bin`);
}

/** A whole file, in memory of its own. Node's readFile refuses files above 2 GiB. */
async function readBytes(path: string): Promise<Uint8Array> {
  const handle = await open(path, 'r');
  try {
    const bytes = new Uint8Array((await handle.stat()).size);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, at, Math.min(HASH_BYTES, bytes.length - at), at);
      if (!bytesRead) throw new DamagedError(`${path} ended at byte ${at} while it was read`);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}
