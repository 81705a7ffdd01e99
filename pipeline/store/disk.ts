import { randomBytes } from 'node:crypto';
import { constants, rmSync } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';

/** File system functions of the store: user-facing errors, durable writes, links instead of copies. */

const WINDOWS = process.platform === 'win32';

const MEANING: Record<string, string> = {
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the quota is used up',
  EFBIG: 'the file exceeds the size limit of the file system',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
};

/**
 * Turns a failed write below `folder` into an InputError that names the folder, the cause and the remedy: `option` chooses
 * another folder. Returns any other error unchanged: `catch (error) { throw explainDiskError(error, store.root); }`.
 */
export function explainDiskError(error: unknown, folder: string, option = '--store'): unknown {
  const code = codeOf(error);
  if (error instanceof InputError || code === undefined || !(code in MEANING)) return error;
  const { path = folder } = error as NodeJS.ErrnoException;
  if (!path.startsWith(folder) && !folder.startsWith(path)) return error;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  const remedy = isFull ? 'free space there (splatline gc frees saved work)' : 'make it writable';
  const message = `cannot be written: ${MEANING[code]} (${code}); ${remedy} or choose another folder with ${option}`;
  const explained = new InputError(message, folder);
  explained.cause = error;
  return explained;
}

/** The system's error code (`ENOENT`, …), if the error has one. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** For `.catch(ignore('ENOENT'))`: returns undefined for errors with one of these codes and rethrows the others. */
export function ignore(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!codes.includes(codeOf(error) ?? '')) throw error;
    return undefined;
  };
}

/** The result of `work`, or undefined if it throws. */
export function quiet<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** The names in a directory, sorted; none without one. @throws InputError with `fault` where the path is a file's. */
export async function namesIn(directory: string, fault?: string): Promise<string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (fault && codeOf(error) === 'ENOTDIR') throw new InputError(fault, directory);
    return ignore('ENOENT', 'ENOTDIR')(error);
  });
  return (names ?? []).sort();
}

/** Unfinished files and folders of this process. They are deleted when it ends, unless it is killed. */
export const drafts = new Set<string>();
process.on('exit', () => {
  for (const path of drafts) quiet(() => rmSync(path, { recursive: true, force: true }));
});

/** Creates a directory and its missing parents. Node's recursive mkdir reports ENOENT on a read-only disk. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await mkdir(path).catch(ignore('EEXIST'));
  }
}

/**
 * Makes the contents of a finished file durable, or the names in a directory. Windows syncs only files that are open for
 * writing, and no directories: it orders names itself.
 */
export async function sync(path: string, what: 'file' | 'directory'): Promise<void> {
  if (WINDOWS && what === 'directory') return;
  const handle = await open(path, WINDOWS ? 'r+' : 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes or replaces a file durably, completely or not at all. */
export async function replaceDurably(path: string, contents: string | Uint8Array): Promise<void> {
  // Random: processes in different containers may have the same pid, and a killed one leaves its file.
  const partial = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.partial`);
  try {
    await writeFile(partial, contents);
    await sync(partial, 'file');
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
  await sync(dirname(path), 'directory');
}

/**
 * Makes the new file `to` a hard link of `from`, else a copy, which shares its blocks where the file system can. Creates
 * the directories above it.
 * @throws the system's error; nothing is left then.
 */
export async function placeFile(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await link(from, to).catch(() => copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL));
}
