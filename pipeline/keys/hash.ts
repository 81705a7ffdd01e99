import { createHash } from 'node:crypto';
import { InputError } from '../../wgsl/core/index.ts';
import { eachOf, hashFile } from '../hash.ts';

/** sha256 (hex) of a file. @throws InputError when the file cannot be read. */
export async function sha256(file: string): Promise<string> {
  try {
    return (await hashFile(file)).sha256;
  } catch (error) {
    throw new InputError(`cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`, file);
  }
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
  const unique = [...new Set(files)];
  const hashes = await eachOf(unique, sha256);
  return new Map(unique.map((file, i) => [file, hashes[i]]));
}
