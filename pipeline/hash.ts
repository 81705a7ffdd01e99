import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';

/** What is hashed between two turns of the event loop, which submits GPU work meanwhile: some milliseconds. */
export const HASH_BYTES = 4 * 2 ** 20;

export interface FileContents {
  bytes: number;
  /** Hex. */
  sha256: string;
}

/** Size and sha256 of a file as it is read. Rejects with the system's error where it cannot be read. */
export async function hashFile(path: string): Promise<FileContents> {
  const handle = await open(path, 'r');
  try {
    return await hashHandle(handle);
  } finally {
    await handle.close();
  }
}

/** The same for an open file, from its beginning. */
export async function hashHandle(handle: FileHandle): Promise<FileContents> {
  const { size } = await handle.stat();
  const hash = createHash('sha256');
  const chunk = new Uint8Array(Math.max(1, Math.min(size, HASH_BYTES)));
  for (let bytes = 0; ; ) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, bytes);
    if (!bytesRead) return { bytes, sha256: hash.digest('hex') };
    hash.update(chunk.subarray(0, bytesRead));
    bytes += bytesRead;
  }
}

/** Runs `work` over all items, a few at a time, results in order. After a failure nothing more is started. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
  atOnce = 8,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  let next = 0;
  let failed = false;
  const workers = Array.from({ length: Math.min(atOnce, items.length) }, async () => {
    while (next < items.length && !failed) {
      const at = next++;
      try {
        results[at] = await work(items[at]);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  });
  const outcomes = await Promise.allSettled(workers); // all files are closed before the first failure is told
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) throw failure.reason;
  return results;
}
