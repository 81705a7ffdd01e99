import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { CheckpointStore, SavedCheckpoint } from '../../stages/checkpoints.ts';
import { HASH_BYTES } from '../hash.ts';
import { namesIn } from './disk.ts';
import { DamagedError, type Entry, parseOrDamaged, refuseDamage } from './entry.ts';
import type { Store } from './store.ts';

/** The newest, and the previous one in case the newest is damaged. */
const COUNT = 2;
const DIGITS = 12;

const STATE = 'state.json';
/** The bytes of all tensors, one after the other. */
const TENSORS = 'tensors.bin';

const stateSchema = z.object({
  step: z.int().nonnegative(),
  // JSON has no NaN, infinity or minus zero and would silently store another value.
  numbers: z.record(
    z.string(),
    z.number().refine((value) => !Object.is(value, -0), 'minus zero'),
  ),
  /** In their order in the file. */
  tensors: z.array(z.object({ name: z.string(), bytes: z.int().nonnegative() })),
});

interface Options {
  /** The interval at which a checkpoint is due. */
  interval?: { seconds: number } | { steps: number } | 'off';
  /** Aborted when the run is asked to stop. */
  signal?: AbortSignal;
}

/** The checkpoints of one unfinished stage; the two of most steps are kept. The caller holds the key's lock. */
export class Checkpoints implements CheckpointStore {
  /** Whether the stage has asked for saved work. From then on it stops by itself when `stopping` is set. */
  isListening = false;
  readonly #store: Store;
  readonly #key: string;
  readonly #options: Options;
  #last = { step: 0, at: performance.now() };

  constructor(store: Store, key: string, options: Options = {}) {
    this.#store = store;
    this.#key = key;
    this.#options = options;
  }

  get stopping(): boolean {
    return this.#options.signal?.aborted ?? false;
  }

  due(step: number): boolean {
    const { interval = 'off' } = this.#options;
    if (interval === 'off') return false;
    if ('steps' in interval) return step - this.#last.step >= interval.steps;
    return performance.now() - this.#last.at >= 1000 * interval.seconds;
  }

  /**
   * Saves a checkpoint durably and replaces one of the same step. The bytes must not change until it resolves. The
   * event loop runs between pieces of the work.
   * @throws InputError if the disk cannot be written; nothing is left then.
   */
  async save({ step, numbers, tensors }: SavedCheckpoint): Promise<void> {
    this.#last = { step, at: performance.now() }; // also after a failure: a full disk is not retried at once
    const sizes = Object.entries(tensors).map(([name, { byteLength: bytes }]) => ({ name, bytes }));
    const state = stateSchema.parse({ step, numbers, tensors: sizes });
    const fill = async (draft: string) => {
      await writeFile(join(draft, STATE), `${JSON.stringify(state, null, 1)}\n`);
      await writeFile(join(draft, TENSORS), Object.values(tensors));
      return { identity: {} };
    };
    await this.#store.commit(this.#key, fill, this.#folderOf(step));
    for (const old of (await this.steps()).slice(0, -COUNT)) await this.#store.remove(this.#folderOf(old));
  }

  /** The newest undamaged checkpoint. Damaged ones are reported and deleted. */
  async latest(): Promise<SavedCheckpoint | undefined> {
    this.isListening = true;
    for (const step of (await this.steps()).reverse()) {
      const found = await this.#store.examine(this.#key, this.#folderOf(step), async (entry) => {
        await refuseDamage(entry, () => true);
        return load(entry, step);
      });
      if (!found) continue;
      this.#last = { step, at: performance.now() };
      return found;
    }
    return undefined;
  }

  /** The steps of all checkpoints, ascending. */
  async steps(): Promise<number[]> {
    const names = await namesIn(this.#store.path('checkpoints', this.#key));
    return names
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** Deletes all of them. */
  async remove(): Promise<void> {
    if ((await this.steps()).length) await this.#store.remove(this.#store.path('checkpoints', this.#key));
  }

  #folderOf(step: number): string {
    return this.#store.path('checkpoints', this.#key, String(step).padStart(DIGITS, '0'));
  }
}

/** @throws DamagedError if it is not the checkpoint of this step. */
async function load({ folder }: Entry, step: number): Promise<SavedCheckpoint> {
  const state = parseOrDamaged(stateSchema, await readFile(join(folder, STATE), 'utf8'), STATE);
  if (state.step !== step) throw new DamagedError(`this is the checkpoint of step ${state.step}`);
  const tensors: SavedCheckpoint['tensors'] = {};
  const handle = await open(join(folder, TENSORS), 'r');
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
