import { readdir } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Stage } from '../../stages/stage.ts';
import { type PathOption, resolvePaths } from '../file/paths.ts';
import { stageSchema } from '../file/schema.ts';

/** The folder of this package. */
export const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));

/** Where things lie that an identity names independently of the place; for messages and provenance, never hashed. */
export interface Places {
  /** Absolute paths of path options, by name: `colmap`, `clip.model`. */
  options: Record<string, string>;
  /** Absolute paths of files, by their names in the identity. */
  files: Record<string, string>;
}

/** A path as keys have it, the same on every system. */
export function posix(path: string): string {
  return sep === '/' ? path : path.split(sep).join('/');
}

/**
 * Options with a marker instead of each path, `<folder>` or `<file>`: where a capture lies changes nothing, what is in it
 * does. And the paths.
 */
export function withoutPaths(stage: Stage, options: unknown): { options: unknown; paths: PathOption[] } {
  const schema = stageSchema(stage);
  const paths = resolvePaths(options, schema, () => sep).options;
  let marked = options;
  for (const { path, kind } of paths) marked = replaced(marked, path, `<${kind}>`);
  return { options: marked, paths };
}

function replaced(value: unknown, [key, ...rest]: readonly (string | number)[], by: string): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value)) return value.map((item, i) => (i === key ? replaced(item, rest, by) : item));
  const map = value as Record<string, unknown>;
  return { ...map, [key]: replaced(map[key], rest, by) };
}

/**
 * A file's name in a key: relative to the path option that it lies below (`colmap:images/0001.png`), or to this package
 * (`package:prompts/demo-clip/config.json`); elsewhere its absolute path.
 */
export function fileName(file: string, paths: readonly PathOption[]): string {
  const below = paths.map(({ path, kind, absolute }) => ({
    name: path.join('.'),
    inside: relative(kind === 'folder' ? absolute : dirname(absolute), file),
  }));
  const candidates = [...below, { name: 'package', inside: relative(PACKAGE, file) }];
  const found = candidates.find(({ inside }) => isBelow(inside));
  return found ? `${found.name}:${posix(found.inside)}` : posix(file);
}

/** Whether a relative path leads down. */
export function isBelow(inside: string): boolean {
  return inside !== '' && inside !== '..' && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
}

/** All files below a folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.map(async (entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
  return (await Promise.all(files)).flat();
}
