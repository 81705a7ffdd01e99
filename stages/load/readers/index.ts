import { InputError } from '../../../wgsl/core/index.ts';
import { colmapReader } from './colmap.ts';
import { photosReader, videoReader } from './pictures.ts';
import type { Reader } from './reader.ts';
import { splatReader } from './splat.ts';
import { transformsReader } from './transforms.ts';

/** Every kind of input. Where a folder is of several kinds, the first one that recognises it reads it. */
export const READERS: readonly Reader[] = [
  colmapReader,
  transformsReader,
  photosReader,
  videoReader,
  splatReader,
];

/** The reader that recognises a path. */
export function readerOf(path: string): Reader | undefined {
  return READERS.find((reader) => reader.recognises(path));
}

/** The error about a path that no reader recognises. */
export function unrecognised(path: string): InputError {
  const known = READERS.map(({ title, shape }) => `${title} (${shape})`).join('; ');
  return new InputError(`is nothing that load reads; expected one of: ${known}`, path);
}
