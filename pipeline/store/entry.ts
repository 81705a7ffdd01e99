import { chmod, readdir, readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize, relative, sep } from 'node:path';
import * as z from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { eachOf, hashFile, pathOf } from '../hash.ts';
import { codeOf, ignore, quiet, sync } from './disk.ts';

/** The file that completes an entry. It is written last. */
export const RECORD = 'entry.json';
/** Of the store and of its entries. */
export const FORMAT = 1;

const recordSchema = z.object({
  format: z.literal(FORMAT),
  /** sha256 (hex) of the identity. */
  key: z.string(),
  /** Everything that the result depends on. */
  identity: z.unknown(),
  /** The caller's data, plain JSON. */
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
export type EntryFile = EntryRecord['files'][number];

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

/** An entry or checkpoint is damaged; the message states the fault. */
export class DamagedError extends Error {}

/**
 * The entry in a folder; undefined if there is no such folder. Its files are not examined.
 * @throws DamagedError if its record is not as it was written.
 * @throws InputError if a newer version wrote it.
 */
export async function readEntry(folder: string, key: string): Promise<Entry | undefined> {
  const path = join(folder, RECORD);
  const text = await readFile(path, 'utf8').catch(async (error: unknown) => {
    if (codeOf(error) === 'EIO') throw new DamagedError(String(error));
    ignore('ENOENT', 'ENOTDIR')(error);
    if (await stat(folder).catch(() => undefined)) throw new DamagedError(`${RECORD} is missing`);
    return undefined;
  });
  if (text === undefined) return undefined;
  refuseNewer('entry', path, text);
  const record = parseOrDamaged(recordSchema, text, RECORD);
  if (record.key !== key) throw new DamagedError(`${RECORD} is that of ${record.key}`);
  return { key, folder, record };
}

/** @throws InputError if `text`, the contents of a file of the store, names a newer format. */
export function refuseNewer(what: 'store' | 'entry', path: string, text: string): void {
  const format = quiet(() => Number((JSON.parse(text) as { format: number }).format)) ?? FORMAT;
  if (!(format > FORMAT)) return;
  throw new InputError(
    `this ${what} has format ${format}, written by a newer splatline; this version reads formats up to ${FORMAT}; ` +
      'use that version or choose another store with --store',
    path,
  );
}

/** @throws DamagedError with the first place that does not match. */
export function parseOrDamaged<T>(schema: z.ZodType<T>, text: string, what: string): T {
  const json = quiet(() => JSON.parse(text) as unknown);
  if (json === undefined) throw new DamagedError(`${what} is not JSON`);
  const { success, data, error } = schema.safeParse(json);
  if (success) return data;
  const { path, message } = error.issues[0];
  throw new DamagedError(`${what}: ${path.join('.') || 'all of it'}: ${message}`);
}

/** Hashes and syncs all files below a new entry's folder, and makes them read-only. Sorted by path. */
export async function sealFiles(root: string): Promise<EntryFile[]> {
  const items = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = items.flatMap((item) => {
    const path = relative(root, pathOf(item));
    if (item.isDirectory()) return [];
    if (!item.isFile()) throw new Error(`${path} in a new entry is neither a file nor a folder`);
    if (path === RECORD) throw new Error(`a stage cannot write ${RECORD} into its entry`);
    return [path.split(sep).join('/')];
  });
  const files = await eachOf(paths.sort(), async (path) => {
    const file = join(root, path);
    const contents = await hashFile(file);
    await sync(file, 'file');
    await makeReadOnly(file);
    return { path, ...contents };
  });
  for (const item of items) if (item.isDirectory()) await sync(pathOf(item), 'directory');
  return files;
}

/** Best effort: FAT and some network shares have no such permission. */
export async function makeReadOnly(path: string): Promise<void> {
  await chmod(path, 0o444).catch(ignore('EPERM', 'ENOTSUP', 'ENOSYS'));
}

/** @throws DamagedError if a file is missing or not as recorded; see `damagesOf`. */
export async function refuseDamage(
  { folder, record }: Entry,
  isHashed: (path: string) => boolean,
): Promise<void> {
  const [damage] = await damagesOf(folder, record.files, isHashed);
  if (damage) throw new DamagedError(`${damage.path}: ${damage.found}; ${damage.expected} expected`);
}

/** The files that are missing or not as recorded: by size, and by contents if `isHashed`. */
export async function damagesOf(
  folder: string,
  files: readonly EntryFile[],
  isHashed: (path: string) => boolean = () => true,
): Promise<Damage[]> {
  const check = async ({ path, bytes, sha256 }: EntryFile): Promise<Damage | undefined> => {
    const file = join(folder, path);
    try {
      const found = isHashed(path) ? await hashFile(file) : { bytes: (await stat(file)).size, sha256 };
      if (found.bytes !== bytes) return { path, found: `${found.bytes} bytes`, expected: `${bytes} bytes` };
      return found.sha256 === sha256 ? undefined : { path, found: found.sha256, expected: sha256 };
    } catch (error) {
      const code = codeOf(error) ?? String(error);
      const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
      return { path, found: isMissing ? 'missing' : code, expected: `${bytes} bytes` };
    }
  };
  const damages = await eachOf(files, check);
  return damages.filter((damage) => damage !== undefined);
}

/** Whether a name is a sha256 in hex. */
export function isKey(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

/** Whether a path leads below the folder that it is relative to. */
export function isBelow(path: string): boolean {
  return path !== '' && !isAbsolute(path) && !/^\.\.?([\\/]|$)/.test(normalize(path));
}
