import { stat } from 'node:fs/promises';
import { branches, type JsonSchema, mapTexts, type Path, schemaAt } from './describe.ts';

/** An option that names something on disk: one whose schema carries `path`. */
export interface PathOption {
  path: Path;
  kind: 'file' | 'folder';
  value: string;
  /** What to do when the path is wrong. */
  advice?: string;
}

/** A copy of a section's value in which `replace` replaces each path option, at any depth. */
export function mapPaths(
  value: unknown,
  schema: JsonSchema,
  replace: (option: PathOption) => string,
): unknown {
  return mapTexts(value, (text, path) => {
    const own = schemaAt(schema, path) ?? {};
    const variants = [own, ...branches(own)];
    const { path: kind, advice } = variants.find((variant) => variant.path) ?? {};
    // An alternative that lists this very text (a name such as `demo`) is not a path.
    const isName = variants.some((variant) => variant.const === text || variant.enum?.includes(text));
    return kind && !isName ? replace({ path, kind, value: text, advice }) : text;
  });
}

/** What is wrong with an absolute path, in words; undefined where it leads to what it should. */
export async function pathMistake({ kind, value, advice }: PathOption): Promise<string | undefined> {
  const info = await stat(value).catch(() => undefined);
  const hint = advice ? `. ${advice}` : '';
  if (!info) return `no such ${kind}: ${value}${hint}`;
  if (kind === 'folder' ? info.isDirectory() : info.isFile()) return undefined;
  return `expected a ${kind}, and ${value} is ${info.isDirectory() ? 'a folder' : 'a file'}${hint}`;
}
