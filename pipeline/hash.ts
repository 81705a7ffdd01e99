import { createHash } from 'node:crypto';
import { createReadStream, type Dirent, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes hashed between two turns of the event loop, which submits GPU work meanwhile: a few milliseconds. */
export const HASH_BYTES = 4 * 2 ** 20;
/** A file of at most so many bytes is read in one turn: more turns take longer than the reading. */
const SMALL_BYTES = 2 ** 20;

/** The path of an item that `readdir` lists. Node below 20.12 has no parentPath. */
export function pathOf({ parentPath, path, name }: Dirent): string {
  return join(parentPath ?? path, name);
}

/** sha256 (hex) of a text in UTF-8, or of bytes. */
export function sha256Of(contents: string | Uint8Array): string {
  return createHash('sha256').update(contents).digest('hex');
}

/** Size and sha256 (hex) of a file, or of its bytes from `start` to `end`. Rejects with the system's error. */
export async function hashFile(
  path: string,
  start = 0,
  end = Number.POSITIVE_INFINITY,
): Promise<{ bytes: number; sha256: string }> {
  const { size } = statSync(path);
  if (size <= SMALL_BYTES) {
    const contents = readFileSync(path).subarray(start, end);
    return { bytes: contents.length, sha256: sha256Of(contents) };
  }
  const hash = createHash('sha256');
  let bytes = 0;
  const range = { start, end: end - 1, highWaterMark: HASH_BYTES };
  const chunks = end > start ? createReadStream(path, range) : []; // a stream cannot read an empty range
  for await (const chunk of chunks) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Runs `work` over all items, a few at a time, results in order. After a failure nothing more is started. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
  atOnce = 8,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += atOnce)
    results.push(...(await Promise.all(items.slice(at, at + atOnce).map(work))));
  return results;
}
