import { stat } from 'node:fs/promises';
import { branches, isMap, type JsonSchema, type Path, schemaAt } from './describe.ts';

/** An option that names something on disk: one whose schema carries `path`. */
export interface PathOption {
  path: Path;
  kind: 'file' | 'folder';
  value: string;
  /** What to do when the path is wrong. */
  advice?: string;
}

/** A copy of a section's value, in which `replace` gives each path option, at any depth, its value. */
export function mapPaths(
  value: unknown,
  schema: JsonSchema,
  replace: (option: PathOption) => string,
  path: Path = [],
): unknown {
  if (typeof value === 'string') {
    const variants = [schema, ...branches(schema)];
    const { path: kind, advice } = variants.find((variant) => variant.path) ?? {};
    // An alternative that lists this very text (a name such as `demo`) is not a path.
    const isPath =
      kind && !variants.some(({ const: only, enum: all }) => only === value || all?.includes(value));
    return isPath ? replace({ path, kind, value, advice }) : value;
  }
  const inner = (item: unknown, key: string | number) =>
    mapPaths(item, schemaAt(schema, [key]) ?? {}, replace, [...path, key]);
  if (Array.isArray(value)) return value.map(inner);
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inner(item, key)]));
}

/** What is wrong with an absolute path option, in words; undefined where it leads to what it should. */
export async function pathMistake({ kind, value, advice }: PathOption): Promise<string | undefined> {
  const info = await stat(value).catch(() => undefined);
  const hint = advice ? `. ${advice}` : '';
  if (!info) return `no such ${kind}: ${value}${hint}`;
  if (kind === 'folder' ? info.isDirectory() : info.isFile()) return undefined;
  return `expected a ${kind}, and ${value} is ${info.isDirectory() ? 'a folder' : 'a file'}${hint}`;
}
