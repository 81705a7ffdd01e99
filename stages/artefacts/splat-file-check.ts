import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { readPlyHeader } from './ply-header.ts';

const MAX_SOG_COUNT = 2 ** 24; // with SH, more than one buffer holds on any adapter

/** The suffixes of the files that can be imported. */
export const SPLAT_FILES = [
  '.ply',
  '.compressed.ply',
  '.sog',
  'meta.json',
  '.spz',
  '.splat',
  '.ksplat',
] as const;

/** Whether a path is named as a splat file is. */
export function isSplatFile(path: string): boolean {
  const lower = path.toLowerCase();
  return SPLAT_FILES.some((end) => lower.endsWith(end));
}

/**
 * Checks a splat file without reading its contents: the format by its name and, for .ply, the header against the file size.
 * @throws InputError
 */
export async function checkSplatFile(path: string): Promise<void> {
  const lower = path.toLowerCase();
  if (!isSplatFile(path)) {
    throw new InputError(`is not a supported splat file; expected a name in ${SPLAT_FILES.join(', ')}`, path);
  }
  if (lower.endsWith('.ply')) await readPlyHeader(path);
  if (lower.endsWith('.json')) await checkSogMeta(path);
}

/** The files of a splat: the given one and, for the meta.json of a SOG, its images. */
export async function splatFiles(path: string): Promise<string[]> {
  if (!path.toLowerCase().endsWith('.json')) return [path];
  const folder = dirname(path);
  const names = (await readdir(folder)).filter((name) => name.toLowerCase().endsWith('.webp')).sort();
  return [path, ...names.map((name) => join(folder, name))];
}

/** Bounds the count in a SOG's meta.json: the library allocates for it before it reads the images. */
async function checkSogMeta(path: string): Promise<void> {
  const fail = (message: string) => new InputError(`${message}; expected the meta.json of a SOG splat`, path);
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw fail(`cannot be read: ${error.message}`);
  });
  let meta: { count?: unknown; means?: { shape?: unknown[] } } | null;
  try {
    meta = JSON.parse(text);
  } catch (error) {
    throw fail(`is not JSON: ${(error as Error).message}`);
  }
  const count = meta?.count ?? meta?.means?.shape?.[0];
  if (!Number.isInteger(count) || Number(count) < 1 || Number(count) > MAX_SOG_COUNT) {
    throw fail(`declares ${JSON.stringify(count) ?? 'no count of'} Gaussians, not 1 to ${MAX_SOG_COUNT}`);
  }
}
