import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { branches, type JsonSchema } from './describe.ts';
import type { Mistake } from './mistakes.ts';
import type { Path } from './yaml.ts';

/** An option that names something on disk. */
export interface PathOption {
  path: Path;
  kind: 'file' | 'folder';
  absolute: string;
}

/**
 * Replaces every path option in `value` by its absolute form (below `baseOf(path)`) and lists them. A path option is
 * one whose schema carries `path`, however deep it lies.
 */
export function resolvePaths(
  value: unknown,
  schema: JsonSchema,
  baseOf: (path: Path) => string,
): { value: unknown; options: PathOption[] } {
  const options: PathOption[] = [];
  const visit = (node: unknown, nodeSchema: JsonSchema | undefined, path: Path): unknown => {
    if (!nodeSchema) return node;
    const variants = [nodeSchema, ...branches(nodeSchema)];
    if (typeof node === 'string') {
      const kind = variants.find((variant) => variant.path)?.path;
      // An alternative that lists this very text (a name such as `demo`) is not a path.
      if (!kind || variants.some((variant) => variant.const === node || variant.enum?.includes(node)))
        return node;
      const absolute = resolve(baseOf(path), node);
      options.push({ path, kind, absolute });
      return absolute;
    }
    const under = (key: string | number) =>
      variants.map((variant) => part(variant, key)).find((found) => found !== undefined);
    if (Array.isArray(node)) return node.map((item, index) => visit(item, under(index), [...path, index]));
    if (typeof node !== 'object' || node === null) return node;
    const copy: Record<string, unknown> = Object.create(null);
    for (const [key, item] of Object.entries(node)) copy[key] = visit(item, under(key), [...path, key]);
    return copy;
  };
  return { value: visit(value, schema, []), options };
}

function part(schema: JsonSchema, key: string | number): JsonSchema | undefined {
  if (typeof key === 'number') return Array.isArray(schema.items) ? schema.items[key] : schema.items;
  return schema.properties && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
}

/** A sentence for every path that is not there or is not what it should be. */
export async function pathMistakes(
  options: readonly PathOption[],
  subject: string,
  placeOf: (path: Path) => Mistake['place'],
): Promise<Mistake[]> {
  const found = await Promise.all(
    options.map(async ({ path, kind, absolute }): Promise<Mistake[]> => {
      const info = await stat(absolute).catch(() => undefined);
      const owner = `\`${path.join('.')}\` of ${subject}`;
      if (!info) return [{ text: `${owner}: no such ${kind}: ${absolute}`, place: placeOf(path) }];
      if (kind === 'folder' ? info.isDirectory() : info.isFile()) return [];
      const is = info.isDirectory() ? 'a folder' : 'a file';
      return [{ text: `${owner}: expected a ${kind}, and ${absolute} is ${is}`, place: placeOf(path) }];
    }),
  );
  return found.flat();
}
