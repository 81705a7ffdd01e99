import { InputError } from '../../wgsl/core/index.ts';
import { checkKsplat, checkSplat, checkSpz } from './compact-splat-check.ts';
import { withFileBytes } from './file-bytes.ts';
import { readPlyHeader } from './ply-header.ts';
import { checkSogFolder, readSogArchive } from './sog-check.ts';

/** The suffixes of the files that can be imported, and the check of each: of the headers alone, except of the files in a SOG. */
const CHECKS = {
  '.ply': readPlyHeader,
  '.compressed.ply': readPlyHeader,
  '.sog': (path: string) => withFileBytes(path, readSogArchive),
  'meta.json': checkSogFolder,
  '.spz': (path: string) => withFileBytes(path, checkSpz),
  '.splat': (path: string) => withFileBytes(path, async (file) => checkSplat(file)),
  '.ksplat': (path: string) => withFileBytes(path, checkKsplat),
} as const;

export const SPLAT_FILES = Object.keys(CHECKS) as (keyof typeof CHECKS)[];

function suffixOf(path: string): keyof typeof CHECKS | undefined {
  const lower = path.toLowerCase();
  return SPLAT_FILES.find((end) => lower.endsWith(end));
}

/** Whether a path is named as a splat file is. */
export function isSplatFile(path: string): boolean {
  return suffixOf(path) !== undefined;
}

/**
 * Checks a splat file before memory is allocated for what it declares: the format by its name, counts against the size of the file, and
 * archives for what no writer of splats makes.
 * @throws InputError
 */
export async function checkSplatFile(path: string): Promise<void> {
  const suffix = suffixOf(path);
  if (!suffix) {
    throw new InputError(`is not a supported splat file; expected a name in ${SPLAT_FILES.join(', ')}`, path);
  }
  await CHECKS[suffix](path);
}

/** The files of a splat: the given one and, for the meta.json of a SOG, its pictures. @throws InputError */
export async function splatFiles(path: string): Promise<string[]> {
  return suffixOf(path) === 'meta.json' ? checkSogFolder(path) : [path];
}
