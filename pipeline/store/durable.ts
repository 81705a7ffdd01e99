import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Writes that outlive a power cut: contents first, then the folder that names them, then the rename that shows them. */

const WINDOWS = process.platform === 'win32';
let serial = 0;

/** Opens a finished file so that it can be synced: Windows syncs only what is open for writing. */
export function openToSync(path: string): Promise<FileHandle> {
  return open(path, WINDOWS ? 'r+' : 'r');
}

/** Makes the names in a folder durable. Windows has no such call and keeps them in order by itself. */
export async function syncFolder(folder: string): Promise<void> {
  if (WINDOWS) return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the names in a folder and in all folders below it durable, the innermost first. */
export async function syncFolders(folder: string): Promise<void> {
  for (const item of await readdir(folder, { withFileTypes: true })) {
    if (item.isDirectory()) await syncFolders(join(folder, item.name));
  }
  await syncFolder(folder);
}

/** Writes a new file and syncs its contents; the folder's name for it is the caller's to sync. */
export async function writeSynced(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes or replaces one file, complete or not at all, durably. Nothing is left beside it when that fails. */
export async function replaceDurably(path: string, text: string): Promise<void> {
  const aside = besides(path);
  try {
    await writeSynced(aside, text);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** A name beside `path`, to write to and then rename; no other process or call gets the same. */
export function besides(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${serial++}.partial`);
}
