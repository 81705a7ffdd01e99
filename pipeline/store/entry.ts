import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { eachOf, hashFile } from '../hash.ts';
import { codeOf } from './disk.ts';

/** The file that completes an entry. It is written last. */
export const RECORD = 'entry.json';
/** Of the store and of its entries. */
export const FORMAT = 1;

const recordSchema = z.object({
  format: z.literal(FORMAT),
  /** sha256 (hex) of the identity. */
  key: z.string(),
  /** What the result depends on. */
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

/** An entry or checkpoint is not as it was written; the message says what was found. */
export class DamagedError extends Error {}

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
  refuseNewer(json, path, 'entry');
  const record = parseOrDamaged(recordSchema, json, RECORD);
  if (record.key !== key) throw new DamagedError(`${RECORD} is that of ${record.key}`);
  return record;
}

/** @throws InputError if the JSON names a newer format. */
export function refuseNewer(json: unknown, path: string, what: string): void {
  const { success, data } = z.object({ format: z.number() }).safeParse(json);
  if (!success || data.format <= FORMAT) return;
  throw new InputError(
    `this ${what} has format ${data.format}, written by a newer splatline; this version reads formats up to ${FORMAT}; ` +
      'use that version or choose another store with --store',
    path,
  );
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

function isBelow(path: string): boolean {
  return path !== '' && !isAbsolute(path) && !/^\.\.?([\\/]|$)/.test(normalize(path));
}
