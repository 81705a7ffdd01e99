import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { SavedCheckpoint } from '../../stages/checkpoints.ts';
import { HASH_BYTES } from '../hash.ts';
import { namesIn, writeSynced } from './disk.ts';
import {
  checkKey,
  DamagedError,
  type Entry,
  type EntryFile,
  parseOrDamaged,
  readEntry,
  refuseDamage,
} from './entry.ts';
import type { Store } from './store.ts';

/** The newest, and the previous one in case the newest is damaged. */
const KEPT = 2;
const DIGITS = 12;

const STATE = 'state.json';
/** The bytes of all tensors, one after the other. */
const TENSORS = 'tensors.bin';

const stateSchema = z.object({
  step: z.int().nonnegative(),
  numbers: z.record(z.string(), z.number()),
  /** In their order in the file. */
  tensors: z.array(z.object({ name: z.string(), bytes: z.int().nonnegative() })),
});
type State = z.infer<typeof stateSchema>;

/**
 * The checkpoints of one unfinished stage: one folder per step, written and checked as an entry is. The two highest steps
 * are kept. The caller holds the key's lock.
 */
export class Checkpoints {
  readonly #store: Store;
  readonly #key: string;
  /** The folder of all of them. */
  readonly folder: string;

  constructor(store: Store, key: string) {
    checkKey(key);
    this.#store = store;
    this.#key = key;
    this.folder = store.path('checkpoints', key);
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
    const sizes = Object.entries(tensors).map(([name, { byteLength: bytes }]) => ({ name, bytes }));
    const state: State = { step, numbers, tensors: sizes };
    const contents: [string, Uint8Array[]][] = [
      [STATE, [Buffer.from(`${JSON.stringify(state, null, 1)}\n`)]],
      [TENSORS, Object.values(tensors)],
    ];
    const fill = async (draft: string) => {
      const files: EntryFile[] = [];
      for (const [path, parts] of contents) {
        files.push({ path, ...(await writeSynced(join(draft, path), parts)) });
      }
      return { identity: {}, files };
    };
    await this.#store.commit(this.#key, fill, this.#folderOf(step));
    for (const old of (await this.steps()).slice(0, -KEPT)) await this.#store.remove(this.#folderOf(old));
  }

  /** The newest undamaged checkpoint. Damaged ones are set aside and reported. */
  async latest(): Promise<SavedCheckpoint | undefined> {
    for (const step of (await this.steps()).reverse()) {
      const path = this.#folderOf(step);
      try {
        const entry = await readEntry(path, this.#key);
        if (entry) return await load(entry, step);
      } catch (error) {
        if (!(error instanceof DamagedError)) throw error;
        await this.#store.setAside(this.#key, error.message, path);
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
    return (await namesIn(this.folder)).length > 0 && this.#store.remove(this.folder);
  }

  #folderOf(step: number): string {
    return join(this.folder, String(step).padStart(DIGITS, '0'));
  }
}

/** @throws DamagedError if it is damaged. */
async function load(entry: Entry, step: number): Promise<SavedCheckpoint> {
  await refuseDamage(entry, true);
  const state = parseOrDamaged(stateSchema, await readFile(join(entry.folder, STATE), 'utf8'), STATE);
  if (state.step !== step) throw new DamagedError(`this is the checkpoint of step ${state.step}`);
  const tensors: SavedCheckpoint['tensors'] = {};
  const handle = await open(join(entry.folder, TENSORS), 'r');
  try {
    for (const { name, bytes } of state.tensors) {
      tensors[name] = new Uint8Array(bytes);
      for (let at = 0; at < bytes; ) {
        // Without a position: reads on from where the last read ended.
        const { bytesRead } = await handle.read(tensors[name], at, Math.min(HASH_BYTES, bytes - at));
        if (!bytesRead) throw new DamagedError(`${TENSORS} ends at byte ${at} of ${name}`);
        at += bytesRead;
      }
    }
  } finally {
    await handle.close();
  }
  return { step, numbers: state.numbers, tensors };
}
