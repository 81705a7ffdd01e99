import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Kind } from '../mutate.ts';

type Contents = Uint8Array | string;
export type Files = Record<string, Contents>;

/** A reader that the fuzzer feeds, with a whole input. */
export interface Target {
  /** The reader and the format. */
  name: string;
  /** A whole input. */
  files(): Promise<Files>;
  /** The files that cases change, and of which kind each is. */
  changes: Record<string, Kind>;
  /** What turns the changed contents into the file: a compression, a checksum. */
  wrap?(contents: Buffer): Buffer;
  /** Cases for each one of a target of weight 1. */
  weight?: number;
  read(folder: string): Promise<unknown>;
}

/** A target of one file; `read` takes its path. */
export function fileTarget(
  name: string,
  [file, kind]: [file: string, kind: Kind],
  contents: () => Contents | Promise<Contents>,
  read: (path: string) => Promise<unknown>,
  others: Pick<Target, 'weight' | 'wrap'> = {},
): Target {
  return {
    name,
    files: async () => ({ [file]: await contents() }),
    changes: { [file]: kind },
    read: (folder) => read(join(folder, file)),
    ...others,
  };
}

/** The path of a file of the repository. */
export function repositoryFile(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}
