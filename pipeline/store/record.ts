import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import { eachOf } from '../hash.ts';
import { codeOf } from './disk-errors.ts';

/** The file that makes an entry: written last, so that where it is, all is. */
export const RECORD = 'entry.json';
const FORMAT = 1;

const recordSchema = z.object({
  format: z.literal(FORMAT),
  /** sha256 (hex) over the identity. */
  key: z.string(),
  /** What the result depends on; whoever made the key reads it. */
  identity: z.unknown(),
  /** The runner's own words on the entry, plain JSON; `refers: string[]` names the keys that it is of no use without. */
  about: z.unknown(),
  files: z.array(
    z.object({
      path: z.string().refine(isBelow, 'leads out of the entry'),
      bytes: z.int().nonnegative(),
      sha256: z.string(),
    }),
  ),
  /** When it was made (ISO, the maker's wall clock): for people, never compared. */
  made: z.string(),
});

/** What an entry says of itself: files by their path below its folder (with `/`), with size and sha256. */
export type EntryRecord = z.infer<typeof recordSchema>;

/** A finished result in the store. The files are read-only and never change. */
export interface Entry {
  key: string;
  /** Absolute, as far as the store's root is. */
  folder: string;
  record: EntryRecord;
}

/** What is wrong with a file of an entry. `found`: 'missing', '123 bytes', a sha256, or why it cannot be read. */
export interface Damage {
  path: string;
  found: string;
  expected: string;
}

/** An entry or checkpoint is not as it was written; the message says what was found. */
export class DamagedError extends Error {}

export function newRecord(fields: Omit<EntryRecord, 'format' | 'made'>): EntryRecord {
  return { format: FORMAT, ...fields, made: new Date().toISOString() };
}

/**
 * The record in an entry's folder; undefined where there is no such folder.
 * @throws DamagedError where it is missing or not as written, InputError where a newer version wrote it.
 */
export async function readRecord(folder: string, key: string): Promise<EntryRecord | undefined> {
  const path = join(folder, RECORD);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    if (await stat(folder).catch(() => undefined)) throw new DamagedError(`${RECORD} is missing`);
    return undefined;
  }
  const record = parseRecord(text, path);
  if (record.key !== key) throw new DamagedError(`${RECORD} is that of ${record.key}`);
  return record;
}

function parseRecord(text: string, path: string): EntryRecord {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new DamagedError(`${RECORD} is not JSON: ${(error as Error).message}`);
  }
  refuseNewer(json, FORMAT, path, 'entry');
  const parsed = recordSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path: keys, message } = parsed.error.issues[0];
  throw new DamagedError(`${RECORD}: ${keys.join('.') || 'all of it'}: ${message}`);
}

/** @throws InputError where the JSON names a format above `known`. */
export function refuseNewer(json: unknown, known: number, path: string, what: string): void {
  const { success, data } = z.object({ format: z.number() }).safeParse(json);
  if (!success || data.format <= known) return;
  throw new InputError(
    `this ${what} has format ${data.format}, which a newer splatline wrote, and this one knows formats up to ${known}; ` +
      'use that version or choose another store with --store',
    path,
  );
}

/** The first file that is missing or of another size than recorded. Reads no contents. */
export async function sizeDamage({ folder, record }: Entry): Promise<Damage | undefined> {
  const found = await eachOf(
    record.files,
    async ({ path, bytes }): Promise<Damage | undefined> => {
      const info = await stat(join(folder, path)).catch((error: unknown) => {
        if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return undefined;
        throw error;
      });
      if (info?.isFile() && info.size === bytes) return undefined;
      return { path, found: info?.isFile() ? `${info.size} bytes` : 'missing', expected: `${bytes} bytes` };
    },
    32,
  );
  return found.find((damage) => damage !== undefined);
}

/** @throws Error for what is no sha256 in hex: a key becomes part of paths. */
export function checkKey(key: string): void {
  if (!isKey(key)) throw new Error(`"${key}" is no key; 64 hex digits are expected`);
}

export function isKey(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

function isBelow(path: string): boolean {
  return path !== '' && !isAbsolute(path) && !/^\.\.?([\\/]|$)/.test(normalize(path));
}
