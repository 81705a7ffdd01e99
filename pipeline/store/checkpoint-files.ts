import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { SavedCheckpoint } from '../../stages/checkpoints.ts';
import { codeOf, explainDiskError, ignore } from './disk-errors.ts';
import { syncFolder, writeSynced } from './durable.ts';
import { DamagedError } from './record.ts';
import type { StoreRoot } from './root.ts';
import { readTensors, type TensorsFile, writeTensors } from './tensors-file.ts';

const TENSORS = 'tensors.safetensors';
const RECORD = 'checkpoint.json';
/** The newest and the one before, should the newest turn out damaged. */
const KEPT = 2;
const DIGITS = 12;

const recordSchema = z.object({
  format: z.literal(1),
  key: z.string(),
  step: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  sha256: z.string(),
});
const numbersSchema = z.record(z.string(), z.number());

/**
 * The checkpoints of one unfinished stage, one folder per step, complete or absent. Whoever saves holds the key's lock.
 * Steps alone order them; the two highest are kept, so a save below two others leaves nothing (it is the same work: the
 * same key gives the same bytes). Whoever wants to begin anew calls `remove` first.
 */
export class CheckpointFiles {
  readonly key: string;
  readonly #root: StoreRoot;

  constructor(root: StoreRoot, key: string) {
    this.#root = root;
    this.key = key;
  }

  get folder(): string {
    return this.#root.in('checkpoints', this.key);
  }

  /**
   * Makes a checkpoint durable, in place of one of the same step. The bytes must not change until it resolves. Hashes in
   * pieces, so that the event loop turns. @throws InputError where the disk does not take it; nothing is left then.
   */
  async save({ step, numbers, tensors }: SavedCheckpoint): Promise<void> {
    if (!Number.isSafeInteger(step) || step < 0 || String(step).length > DIGITS) {
      throw new Error(`a checkpoint of step ${step}`);
    }
    for (const [name, value] of Object.entries(numbers)) {
      // JSON has neither NaN nor infinity nor minus zero, and would quietly give something else.
      if (!Number.isFinite(value) || Object.is(value, -0)) {
        throw new Error(`a checkpoint cannot keep ${name} = ${value}`);
      }
    }
    const metadata = {
      format: 'splatline checkpoint 1',
      step: String(step),
      numbers: JSON.stringify(numbers),
    };
    try {
      const aside = await this.#root.aside();
      try {
        const contents = await writeTensors(join(aside, TENSORS), { metadata, tensors });
        const record = { format: 1, key: this.key, step, ...contents };
        await writeSynced(join(aside, RECORD), `${JSON.stringify(record, null, 1)}\n`);
        await syncFolder(aside);
        await this.#root.place(aside, this.#folderOf(step));
      } catch (error) {
        await this.#root.drop(aside);
        throw error;
      }
      for (const old of (await this.steps()).slice(0, -KEPT)) await this.#root.remove(this.#folderOf(old));
    } catch (error) {
      throw explainDiskError(error, this.#root.path);
    }
  }

  /** The newest whose bytes are as they were written. Those that are not are set aside and told. */
  async latest(): Promise<SavedCheckpoint | undefined> {
    for (const step of (await this.steps()).reverse()) {
      try {
        return await this.#read(step);
      } catch (error) {
        if (!isDamage(error)) throw error;
        const event = {
          what: 'checkpoint',
          key: this.key,
          path: this.#folderOf(step),
          reason: error.message,
        } as const;
        await this.#root.reportDamaged(event, `${this.key}-step-${step}`);
      }
    }
    return undefined;
  }

  /** Finished steps of those that are there, ascending. */
  async steps(): Promise<number[]> {
    const names = (await readdir(this.folder).catch(ignore('ENOENT'))) ?? [];
    return names
      .filter((name) => name.length === DIGITS && /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** Takes all of them away, as when the stage is finished. False where there were none. */
  async remove(): Promise<boolean> {
    if (!(await readdir(this.folder).catch(ignore('ENOENT')))) return false;
    try {
      return await this.#root.remove(this.folder);
    } catch (error) {
      throw explainDiskError(error, this.#root.path);
    }
  }

  async #read(step: number): Promise<SavedCheckpoint> {
    const folder = this.#folderOf(step);
    const record = parse(recordSchema, await readFile(join(folder, RECORD), 'utf8'), RECORD);
    if (record.key !== this.key || record.step !== step) {
      throw new DamagedError(`${RECORD} is that of step ${record.step} of ${record.key}`);
    }
    const { metadata, tensors }: TensorsFile = await readTensors(join(folder, TENSORS), record);
    return { step, numbers: parse(numbersSchema, metadata.numbers ?? '', 'numbers'), tensors };
  }

  #folderOf(step: number): string {
    return join(this.folder, String(step).padStart(DIGITS, '0'));
  }
}

function parse<T>(schema: z.ZodType<T>, text: string, what: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    const message = error instanceof z.ZodError ? error.issues[0].message : (error as Error).message;
    throw new DamagedError(`${what}: ${message}`);
  }
}

/** A file that is missing, and one that the disk cannot read, are as good as damaged. */
function isDamage(error: unknown): error is Error {
  return (
    error instanceof DamagedError || ['ENOENT', 'ENOTDIR', 'EISDIR', 'EIO'].includes(codeOf(error) ?? '')
  );
}
