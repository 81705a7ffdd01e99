import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { branches, type JsonSchema, type Path, schemaAt } from './describe.ts';

/** An option that names something on disk. */
export interface PathOption {
  path: Path;
  kind: 'file' | 'folder';
  absolute: string;
  /** What to do when the path is wrong. */
  advice?: string;
}

/**
 * Replaces every path option in `value` by its absolute form (below `baseOf(path)`) and lists them. A path option is
 * one whose schema carries `path`, at any depth.
 */
export function resolvePaths(
  value: unknown,
  schema: JsonSchema,
  baseOf: (path: Path) => string,
): { value: unknown; options: PathOption[] } {
  const options: PathOption[] = [];
  const visit = (node: unknown, nodeSchema: JsonSchema, path: Path): unknown => {
    if (typeof node === 'string') {
      const variants = [nodeSchema, ...branches(nodeSchema)];
      const { path: kind, advice } = variants.find((variant) => variant.path) ?? {};
      // An alternative that lists this very text (a name such as `demo`) is not a path.
      if (!kind || variants.some((variant) => variant.const === node || variant.enum?.includes(node)))
        return node;
      const absolute = resolve(baseOf(path), node);
      options.push({ path, kind, absolute, advice });
      return absolute;
    }
    const inner = (item: unknown, key: string | number) =>
      visit(item, schemaAt(nodeSchema, [key]) ?? {}, [...path, key]);
    if (Array.isArray(node)) return node.map(inner);
    if (typeof node !== 'object' || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, inner(item, key)]));
  };
  return { value: visit(value, schema, []), options };
}

/** What is wrong with a path option, in words; undefined where it leads to what it should. */
export async function pathMistake({ kind, absolute, advice }: PathOption): Promise<string | undefined> {
  const info = await stat(absolute).catch(() => undefined);
  const hint = advice ? `. ${advice}` : '';
  if (!info) return `no such ${kind}: ${absolute}${hint}`;
  if (kind === 'folder' ? info.isDirectory() : info.isFile()) return undefined;
  return `expected a ${kind}, and ${absolute} is ${info.isDirectory() ? 'a folder' : 'a file'}${hint}`;
}
