import { constants } from 'node:fs';
import { copyFile, link, mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from './disk-errors.ts';
import { besides, openToSync } from './durable.ts';

/** How a file of the store comes into a run's folder, the best first. */
export const WAYS = ['reflink', 'hard link', 'copy'] as const;
export type Way = (typeof WAYS)[number];

/** What systems say where a file system, or a pair of them, knows no such thing. */
const UNKNOWN_HERE = new Set([
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'ENOTTY',
  'EINVAL',
  'EXDEV',
  'EPERM',
  'EMLINK',
  'EACCES',
]);

/**
 * Puts the file at `from` to `to`, without its bytes being written again where the file system can: a reflink, else a hard
 * link, else a copy. It is made beside `to` and renamed over what was there, which is never written to: a file that shares
 * it elsewhere, or a link's target, stays as it is. Folders above are made. Gives the way that was gone; `ways` limits them.
 * Rejects with the system's error of the last way, and leaves nothing beside.
 */
export async function placeFile(from: string, to: string, ways: readonly Way[] = WAYS): Promise<Way> {
  await mkdir(dirname(to), { recursive: true });
  const aside = besides(to);
  try {
    const way = await make(from, aside, ways);
    await rename(aside, to);
    return way;
  } finally {
    // Also after success: a rename does nothing where both names are one file already.
    await rm(aside, { force: true });
  }
}

async function make(from: string, to: string, ways: readonly Way[]): Promise<Way> {
  for (const way of ways) {
    try {
      await MAKE[way](from, to);
      return way;
    } catch (error) {
      if (way === ways.at(-1) || !UNKNOWN_HERE.has(codeOf(error) ?? '')) throw error;
    }
  }
  throw new Error('no way to place a file');
}

const MAKE: Record<Way, (from: string, to: string) => Promise<void>> = {
  reflink: (from, to) => copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL),
  'hard link': link,
  async copy(from, to) {
    await copyFile(from, to, constants.COPYFILE_EXCL);
    const handle = await openToSync(to);
    try {
      await handle.sync(); // else a power cut may leave an empty file under the name
    } finally {
      await handle.close();
    }
  },
};
