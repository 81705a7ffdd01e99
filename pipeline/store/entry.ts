import { chmod, readdir, readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize, relative, sep } from 'node:path';
import { z } from 'zod';
import { eachOf, hashFile, hashHandle } from '../hash.ts';
import { refuseNewer, type StoreDirectory } from './directory.ts';
import { codeOf, ignore, openToSync, syncTree, writeSynced } from './disk.ts';

/** The file that completes an entry. It is written last. */
export const RECORD = 'entry.json';
const FORMAT = 1;
const READ_ONLY = 0o444;

const recordSchema = z.object({
  format: z.literal(FORMAT),
  /** sha256 (hex) of the identity. */
  key: z.string(),
  /** What the result depends on. */
  identity: z.unknown(),
  /** The caller's data, plain JSON. `refers: string[]` lists the keys of entries that this one needs. */
  about: z.unknown(),
  /** All files by their path below the entry's folder (with `/`). */
  files: z.array(
    z.object({
      path: z.string().refine(isBelow, 'leads out of the entry'),
      bytes: z.int().nonnegative(),
      sha256: z.string(),
    }),
  ),
  /** ISO time of the writer's clock, for display only. */
  made: z.string(),
});

export type EntryRecord = z.infer<typeof recordSchema>;
type EntryFile = EntryRecord['files'][number];

/** A complete result in the store. Its files are read-only and never change. */
export interface Entry {
  key: string;
  /** Absolute if the store's root is. */
  folder: string;
  record: EntryRecord;
}

/** A file that is not as recorded. `found`: 'missing', '123 bytes', a sha256, or the system's error code. */
export interface Damage {
  path: string;
  found: string;
  expected: string;
}

/** An entry or checkpoint is not as it was written; the message says what was found. */
export class DamagedError extends Error {}

/** A new entry in a temporary folder. `commit` makes it visible; `discard` deletes it. */
export class EntryWriter {
  /** Takes any files and folders. */
  readonly folder: string;
  readonly #directory: StoreDirectory;

  /** `folder` is a temporary directory of `directory`. */
  constructor(directory: StoreDirectory, folder: string) {
    this.#directory = directory;
    this.folder = folder;
  }

  /**
   * Makes this the entry of `key` and replaces an earlier one: hashes and syncs every file, makes it read-only, writes
   * the record last, and renames the folder to `target` (default: the key's place among the entries). If anything
   * fails, the new entry is discarded.
   * @throws InputError if the disk cannot be written.
   */
  async commit(
    key: string,
    { identity, about = {} }: { identity: unknown; about?: unknown },
    target?: string,
  ): Promise<Entry> {
    try {
      return await this.#directory.write(async () => {
        const files = await eachOf(await filesBelow(this.folder), async (path): Promise<EntryFile> => {
          return { path, ...(await seal(join(this.folder, path))) };
        });
        const made = new Date().toISOString();
        const record: EntryRecord = { format: FORMAT, key, identity, about, files, made };
        const file = join(this.folder, RECORD);
        await writeSynced(file, `${JSON.stringify(record, null, 1)}\n`);
        await makeReadOnly(file);
        await syncTree(this.folder);
        const path = target ?? entryFolder(this.#directory, key);
        await this.#directory.place(this.folder, path);
        return { key, folder: path, record };
      });
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  /** Does nothing after `commit`. */
  discard(): Promise<void> {
    return this.#directory.discard(this.folder);
  }
}

/** Where the entry of a key is. Two letters of the key keep directories small. */
export function entryFolder(directory: StoreDirectory, key: string): string {
  checkKey(key);
  return directory.path('entries', key.slice(0, 2), key);
}

/**
 * The entry in a folder, with all files in their sizes; contents are not read. Undefined if there is no such folder.
 * @throws DamagedError if it is not as written, InputError if a newer version wrote it.
 */
export async function readEntry(folder: string, key: string): Promise<Entry | undefined> {
  const record = await readRecord(folder, key);
  if (!record) return undefined;
  const [damage] = await damagesOf(folder, record.files, false);
  if (damage) throw new DamagedError(describeDamage(damage));
  return { key, folder, record };
}

/** The record of an entry; undefined if there is no such folder. Throws as `readEntry` does. */
export async function readRecord(folder: string, key: string): Promise<EntryRecord | undefined> {
  const path = join(folder, RECORD);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw new DamagedError(`${RECORD} is not JSON: ${error.message}`);
    if (codeOf(error) === 'EIO') throw new DamagedError(String(error));
    if (!['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) throw error;
    if (await stat(folder).catch(() => undefined)) throw new DamagedError(`${RECORD} is missing`);
    return undefined;
  }
  refuseNewer(json, FORMAT, path, 'entry');
  const record = parseOrDamaged(recordSchema, json, RECORD);
  if (record.key !== key) throw new DamagedError(`${RECORD} is that of ${record.key}`);
  return record;
}

/** @throws DamagedError with the first place that does not match. */
export function parseOrDamaged<T>(schema: z.ZodType<T>, json: unknown, what: string): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0];
  throw new DamagedError(`${what}: ${path.join('.') || 'all of it'}: ${message}`);
}

/** The files that are missing or not as recorded: by size, and by contents if `hashed`. */
export async function damagesOf(
  folder: string,
  files: readonly EntryFile[],
  hashed: boolean,
): Promise<Damage[]> {
  const check = async ({ path, bytes, sha256 }: EntryFile): Promise<Damage | undefined> => {
    const file = join(folder, path);
    try {
      const found = hashed ? await hashFile(file) : { bytes: (await stat(file)).size, sha256 };
      if (found.bytes !== bytes) return { path, found: `${found.bytes} bytes`, expected: `${bytes} bytes` };
      return found.sha256 === sha256 ? undefined : { path, found: found.sha256, expected: sha256 };
    } catch (error) {
      const code = codeOf(error) ?? String(error);
      const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
      return { path, found: isMissing ? 'missing' : code, expected: `${bytes} bytes` };
    }
  };
  const damages = await eachOf(files, check, hashed ? 4 : 32);
  return damages.filter((damage) => damage !== undefined);
}

/** For a sentence: `x.bin: missing; 12 bytes expected`. */
export function describeDamage({ path, found, expected }: Damage): string {
  return `${path}: ${found}; ${expected} expected`;
}

/** @throws Error if it is no sha256 in hex: a key becomes part of paths. */
export function checkKey(key: string): void {
  if (!isKey(key)) throw new Error(`"${key}" is no key; 64 hex digits are expected`);
}

export function isKey(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

async function seal(path: string) {
  const handle = await openToSync(path);
  try {
    const contents = await hashHandle(handle);
    await handle.sync();
    await makeReadOnly(path);
    return contents;
  } finally {
    await handle.close();
  }
}

/** Best effort: FAT and some network shares have no such permission. */
async function makeReadOnly(path: string): Promise<void> {
  await chmod(path, READ_ONLY).catch(ignore('EPERM', 'ENOTSUP', 'ENOSYS'));
}

/** All files by their path below the folder with `/`, sorted. */
async function filesBelow(folder: string): Promise<string[]> {
  const items = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = items.flatMap((item) => {
    const path = relative(folder, join(item.parentPath ?? item.path, item.name));
    if (item.isDirectory()) return [];
    if (!item.isFile()) throw new Error(`${path} in a new entry is neither a file nor a folder`);
    if (path === RECORD) throw new Error(`a stage cannot write ${RECORD} into its entry`);
    return [path.split(sep).join('/')];
  });
  return paths.sort();
}

function isBelow(path: string): boolean {
  return path !== '' && !isAbsolute(path) && !/^\.\.?([\\/]|$)/.test(normalize(path));
}
