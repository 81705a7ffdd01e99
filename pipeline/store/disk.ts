import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, type FileHandle, link, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../../wgsl/core/index.ts';
import { type FileContents, HASH_BYTES } from '../hash.ts';

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
 * Turns a failed write below `folder` into an InputError that names the folder, the cause and the remedy. Returns any
 * other error unchanged: `catch (error) { throw explainDiskError(error, store.root); }`.
 */
export function explainDiskError(error: unknown, folder: string): unknown {
  const code = codeOf(error);
  if (error instanceof InputError || code === undefined || !(code in MEANING)) return error;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  const remedy = isFull ? 'free space there (splatline gc frees saved work)' : 'make it writable';
  const message = `cannot be written: ${MEANING[code]} (${code}); ${remedy} or choose another store with --store`;
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

/** The names in a directory, sorted; none if there is no such directory. */
export async function namesIn(directory: string): Promise<string[]> {
  return ((await readdir(directory).catch(ignore('ENOENT', 'ENOTDIR'))) ?? []).sort();
}

/** Creates a directory and its missing parents durably. Does nothing if it exists. */
export async function makeDirectory(path: string): Promise<void> {
  // Node's recursive mkdir reports ENOENT on a read-only disk, which hides the cause.
  try {
    await mkdir(path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await mkdir(path).catch(ignore('EEXIST'));
  }
  await syncDirectory(dirname(path));
}

/** Opens a finished file so that it can be synced: Windows syncs only files that are open for writing. */
export function openToSync(path: string): Promise<FileHandle> {
  return open(path, WINDOWS ? 'r+' : 'r');
}

/** Makes the names in a directory durable. Windows has no such call and orders them itself. */
export async function syncDirectory(directory: string): Promise<void> {
  if (WINDOWS) return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes a new file of these parts, syncs it, and hashes the bytes while they are written. The event loop runs between
 * pieces of 4 MiB. The name becomes durable with `syncDirectory`.
 */
export async function writeSynced(path: string, parts: readonly Uint8Array[]): Promise<FileContents> {
  const hash = createHash('sha256');
  const handle = await open(path, 'wx');
  try {
    let bytes = 0;
    for (const part of parts) {
      for (let at = 0; at < part.length; at += HASH_BYTES) {
        const piece = part.subarray(at, at + HASH_BYTES);
        const written = handle.writeFile(piece);
        hash.update(piece);
        await written;
      }
      bytes += part.length;
    }
    await handle.sync();
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    await handle.close();
  }
}

/** Writes or replaces a file durably, completely or not at all. */
export async function replaceDurably(path: string, text: string): Promise<void> {
  await throughPartial(path, (partial) => writeSynced(partial, [Buffer.from(text)]));
  await syncDirectory(dirname(path));
}

/** Lets `write` create a file beside `path` and renames it to `path`. Leaves nothing beside it. */
async function throughPartial<T>(path: string, write: (partial: string) => Promise<T>): Promise<T> {
  // Random: processes in different containers may have the same pid, and a killed one leaves its file.
  const partial = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.partial`);
  try {
    const result = await write(partial);
    await rename(partial, path);
    return result;
  } finally {
    // Also after success: rename does nothing if both names are links to one file.
    await rm(partial, { force: true });
  }
}

/** Ways to place a file of the store in a run's folder, the cheapest first. */
export const WAYS = ['reflink', 'hard link', 'copy'] as const;
export type Way = (typeof WAYS)[number];

/** Codes that mean that a file system, or a pair of them, does not support a way. */
const UNSUPPORTED = 'ENOTSUP EOPNOTSUPP ENOSYS ENOTTY EINVAL EXDEV EPERM EMLINK EACCES'.split(' ');

const MAKE: Record<Way, (from: string, to: string) => Promise<void>> = {
  reflink: (from, to) => copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL),
  'hard link': link,
  async copy(from, to) {
    await copyFile(from, to, constants.COPYFILE_EXCL);
    const handle = await openToSync(to);
    try {
      await handle.sync(); // otherwise a power cut may leave an empty file under the name
    } finally {
      await handle.close();
    }
  },
};

/**
 * Makes `to` a reflink of `from`, else a hard link, else a copy; `ways` restricts the choice. Replaces an existing `to`
 * with a rename and never writes to it: other hard links and a symbolic link's target keep their contents. Creates the
 * directories above `to`. Returns the way used.
 * @throws the system's error of the last way; nothing is left beside `to` then.
 */
export async function placeFile(from: string, to: string, ways: readonly Way[] = WAYS): Promise<Way> {
  await mkdir(dirname(to), { recursive: true });
  return throughPartial(to, async (partial) => {
    for (const way of ways) {
      try {
        await MAKE[way](from, partial);
        return way;
      } catch (error) {
        if (way === ways.at(-1) || !UNSUPPORTED.includes(codeOf(error) ?? '')) throw error;
      }
    }
    throw new Error('no way to place a file');
  });
}

/** The result of `work`, or undefined if it throws. */
export function quiet<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
