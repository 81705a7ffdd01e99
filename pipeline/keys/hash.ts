import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { InputError } from '../../wgsl/core/index.ts';

/** Files that are hashed at once. */
const AT_ONCE = 8;
/** Bytes that are read at once; node's streams, at 64 KiB, spend more time between reads than in them. */
const BLOCK = 2 ** 20;

/** sha256 (hex) of a file. @throws InputError when the file cannot be read. */
export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      const block = Buffer.allocUnsafe(Math.max(1, Math.min(BLOCK, size)));
      for (;;) {
        const { bytesRead } = await handle.read(block, 0, block.length);
        if (!bytesRead) break;
        hash.update(block.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new InputError(`cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`, file);
  }
  return hash.digest('hex');
}

/** sha256 (hex) of a text. */
export function sha256Text(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * sha256 of each file, by path. All are read: times and sizes on the disk say nothing that a result may depend on.
 * @throws InputError naming the first that cannot be read.
 */
export async function sha256All(files: Iterable<string>): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  const waiting = [...new Set(files)];
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      try {
        hashes.set(file, await sha256(file));
      } catch (error) {
        waiting.length = 0; // the others stop, too
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return hashes;
}
