import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type * as z from 'zod';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import { describe, knownKeys, literal, mapTexts, nearest, type Path, withKind } from './describe.ts';
import { mapPaths, type PathOption, schemaAt } from './schema.ts';
import type { Source } from './source.ts';
import { type Scope, substitute } from './substitute.ts';

/** One mistake in a pipeline file, in one sentence. */
export interface Mistake {
  text: string;
  place: Place;
}

/** Throws all mistakes as one InputError, a line each; the first one's place is the error's. */
export function throwMistakes(mistakes: readonly Mistake[]): void {
  if (!mistakes.length) return;
  const [first, ...others] = mistakes;
  const rest = others.map(({ text, place }) => `\n${new InputError(text, place).message}`);
  throw new InputError(first.text + rest.join(''), first.place);
}

/**
 * Substitutes `${…}` in a value of the file, makes its paths absolute and parses it. Adds all mistakes in it to `mistakes`; the
 * result is then undefined or invalid.
 *
 * @param value the file's map, or a map of some of its members.
 */
export async function parseValue<T>(
  source: Source,
  value: unknown,
  parser: z.ZodType<T>,
  scope: Scope,
  mistakes: Mistake[],
): Promise<T | undefined> {
  const add = (text: string, path: Path) => void mistakes.push({ text, place: source.placeOf(path) });
  const before = mistakes.length;
  const filled = mapTexts(value, (text, path) => {
    const wantsText = schemaAt(parser, path)?.type === 'string';
    return substitute(text, scope, wantsText, (mistake) => add(mistake, path));
  });
  // An unresolved reference in place of a number is reported once only.
  if (mistakes.length > before) return undefined;
  const paths: PathOption[] = [];
  const resolved = mapPaths(filled, parser, (option) => {
    const path = source.resolve(option.path, option.value);
    if (option.mayBeName && !existsSync(path)) return option.value;
    paths.push({ ...option, value: path });
    return path;
  });
  const { data, error } = parser.safeParse(resolved, { reportInput: true });
  for (const issue of error?.issues ?? []) addIssue(issue, parser, add);
  for (const option of paths) {
    const text = await pathMistake(option);
    if (text) add(`${nameOf(option.path)}: ${text}`, option.path);
  }
  return data;
}

/** Adds an issue of zod as sentences: the key, what was found, what was expected, the nearest valid key. */
function addIssue(issue: z.core.$ZodIssue, parser: z.ZodType, add: (text: string, path: Path) => void): void {
  const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
  const name = nameOf(path);
  const expected = schemaAt(parser, path);
  const branch = issue.code === 'invalid_union' ? closestBranch(issue) : undefined;
  if (branch) {
    for (const inner of branch) addIssue({ ...inner, path: [...path, ...inner.path] }, parser, add);
  } else if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(expected ?? {});
    for (const key of issue.keys)
      add(`unknown key ${literal(key)} in ${name}: ${nearest(key, known)}`, [...path, key]);
  } else if (issue.code === 'custom') {
    // The message of a stage's own refinement, or of a pattern, is better than one generated from the schema.
    add(`${name}: ${issue.message}`, path);
  } else if (issue.code === 'invalid_key') {
    add(`${name}: ${issue.issues[0].message}`, path);
  } else if (issue.code === 'invalid_format') {
    add(`${name} is ${literal(issue.input)}: ${issue.message}`, path);
  } else {
    const isMissing = issue.input === undefined;
    const found = isMissing
      ? `${nameOf(path.slice(0, -1))} lacks \`${path.at(-1)}\``
      : `${name} is ${withKind(issue.input)}`;
    add(`${found}: expected ${expected ? describe(expected) : issue.message}`, path);
  }
}

/** The intended branch of a union: the only one that accepts the type of the whole value. */
function closestBranch(issue: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | undefined {
  const deeper = issue.errors.filter((branch) =>
    branch.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
  );
  return deeper.length === 1 ? deeper[0] : undefined;
}

/** The name of a value in messages: `clip.prompt` of train, stage 2, `seed` of the matrix, or the file. */
function nameOf(path: Path): string {
  const [top, index, stage, ...option] = path;
  const name = (inside: Path, whole: string) =>
    inside.length ? `\`${inside.join('.')}\` of ${whole}` : whole;
  if (top === 'matrix') return name(path.slice(1), 'the matrix');
  if (top !== 'stages' || index === undefined) return name(path, 'the file');
  return stage === undefined ? `stage ${Number(index) + 1}` : name(option, String(stage));
}

/** The fault of an absolute path, in words; undefined if the path is valid. */
async function pathMistake({ kind, value, advice }: PathOption): Promise<string | undefined> {
  const info = await stat(value).catch(() => undefined);
  const hint = advice ? `. ${advice}` : '';
  if (!info) return `no such ${kind}: ${value}${hint}`;
  const found = info.isDirectory() ? 'folder' : info.isFile() ? 'file' : 'device';
  return kind.includes(found) ? undefined : `expected a ${kind}, and ${value} is a ${found}${hint}`;
}
