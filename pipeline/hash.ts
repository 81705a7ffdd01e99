import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';

/** Bytes hashed between two turns of the event loop, which submits GPU work meanwhile: a few milliseconds. */
export const HASH_BYTES = 4 * 2 ** 20;

export interface FileContents {
  bytes: number;
  /** Hex. */
  sha256: string;
}

/**
 * Size and sha256 of a file, or of its bytes from `start` up to `end`. Rejects with the system's error if
 * it cannot be read.
 */
export async function hashFile(path: string, start?: number, end?: number): Promise<FileContents> {
  const handle = await open(path, 'r');
  try {
    return await hashHandle(handle, start, end);
  } finally {
    await handle.close();
  }
}

/** The same for an open file. */
export async function hashHandle(
  handle: FileHandle,
  start = 0,
  end = Number.POSITIVE_INFINITY,
): Promise<FileContents> {
  const { size } = await handle.stat();
  const hash = createHash('sha256');
  const chunk = new Uint8Array(Math.max(1, Math.min(size, end - start, HASH_BYTES)));
  for (let at = start; ; ) {
    const length = Math.min(chunk.length, end - at);
    const { bytesRead } = length ? await handle.read(chunk, 0, length, at) : { bytesRead: 0 };
    if (!bytesRead) return { bytes: at - start, sha256: hash.digest('hex') };
    hash.update(chunk.subarray(0, bytesRead));
    at += bytesRead;
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
  const outcomes = await Promise.allSettled(workers); // all files are closed before the first failure is thrown
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) throw failure.reason;
  return results;
}
