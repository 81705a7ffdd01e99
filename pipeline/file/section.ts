import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import {
  describe,
  found,
  isMap,
  type JsonSchema,
  knownKeys,
  literal,
  mapPaths,
  mapTexts,
  nearest,
  type Path,
  type PathOption,
  schemaAt,
} from './describe.ts';
import { checkKey, parseYaml, type Source } from './source.ts';
import { type Scope, substitute } from './substitute.ts';

/** One mistake in a pipeline file, in one sentence. */
export interface Mistake {
  text: string;
  place: Place;
}

/** A value given on the command line: `--set train.steps=500`. */
export interface Override {
  path: readonly string[];
  text: string;
  place: { file: string };
  /** The base folder of relative paths in the value. */
  base: string;
}

/** Splits `key.sub=VALUE`; a relative path in the value starts at `cwd`. */
export function parseOverride(argument: string, cwd: string): Override {
  const place = { file: `--set ${argument}` };
  const equals = argument.indexOf('=');
  const path = argument.slice(0, Math.max(0, equals)).split('.');
  if (equals < 1 || path.includes(''))
    throw new InputError('expected STAGE.OPTION=VALUE, for example --set train.steps=500', place);
  for (const key of path) checkKey(key, place);
  return { path, text: argument.slice(equals + 1), place, base: cwd };
}

/** The overrides of parts of `key`, with the paths of the parts. */
export function overridesBelow(overrides: readonly Override[], key: string): Override[] {
  const own = overrides.filter(({ path }) => path[0] === key);
  return own.map((override) => ({ ...override, path: override.path.slice(1) }));
}

type Issue = z.core.$ZodIssue;

/** A part of the file that one schema describes: its top level, its matrix, or the options of a stage. */
interface Part {
  source: Source;
  /** The path of its value in the file. */
  at: Path;
  /** Its name in messages: `train`, or `the file`. */
  subject: string;
  schema: JsonSchema;
}

/** A part of the file with its overrides. */
export class Section {
  readonly value: unknown;
  readonly #part: Part;
  /** In order, each with the path that it sets: a map, if it is the first of the map's options. */
  readonly #overrides: Override[] = [];

  constructor(part: Part, overrides: readonly Override[] = []) {
    this.#part = part;
    const child = (node: unknown, key: string | number) => (node as Record<string | number, unknown>)[key];
    const written = part.at.reduce<unknown>(child, part.source.value);
    this.value = overrides.reduce((value, override) => this.#withOverride(value, override), written);
  }

  /** The position of the value at `path`: in the file, or the override that sets it. */
  placeOf(path: Path): Place {
    return this.#overrideOf(path)?.place ?? this.#part.source.placeOf([...this.#part.at, ...path]);
  }

  /**
   * Substitutes `${…}`, makes paths absolute and parses the result. Adds all mistakes in the value to
   * `mistakes`; the result is then undefined or invalid.
   */
  async parse<T>(
    parser: z.ZodType<T>,
    scope: Scope,
    mistakes: Mistake[],
    value = this.value,
  ): Promise<T | undefined> {
    const before = mistakes.length;
    const filled = mapTexts(value, (text, path) => {
      const wantsText = schemaAt(this.#part.schema, path)?.type === 'string';
      return substitute(text, scope, wantsText, (mistake) => mistakes.push(this.#mistake(mistake, path)));
    });
    // An unresolved reference in place of a number is reported once only.
    if (mistakes.length > before) return undefined;
    const paths: PathOption[] = [];
    const resolved = mapPaths(filled, this.#part.schema, (option) => {
      const base = this.#overrideOf(option.path)?.base ?? dirname(this.#part.source.file);
      paths.push({ ...option, value: resolve(base, option.value) });
      return paths.at(-1)!.value;
    });
    const { data, error } = parser.safeParse(resolved, { reportInput: true });
    mistakes.push(...(error?.issues ?? []).flatMap((issue) => this.#describe(issue, [])));
    for (const option of paths) {
      const text = await pathMistake(option);
      if (text) mistakes.push(this.#mistake(`${this.#nameOf(option.path)}: ${text}`, option.path));
    }
    return data;
  }

  /** The last override of the value at `path`, or of a whole that it is part of. */
  #overrideOf(path: Path): Override | undefined {
    return this.#overrides.findLast((override) => override.path.every((key, depth) => path[depth] === key));
  }

  /**
   * Uses the override as it is if the schema expects a string; otherwise parses it as YAML (`[sh, opacity]`, `500`, `true`).
   * An empty override removes the option, and a map that has no options left.
   */
  #withOverride(value: unknown, override: Override): unknown {
    const { path, text, place } = override;
    const wantsText = schemaAt(this.#part.schema, path)?.type === 'string';
    const given = wantsText ? text || undefined : (parseYaml(text, place.file).value ?? undefined);
    let whole = path.length;
    const put = (node: unknown, depth: number): unknown => {
      if (depth === path.length) return given;
      if (node === undefined) whole = Math.min(whole, depth);
      if (!isMap(node ?? {}))
        throw new InputError(`${this.#nameOf(path.slice(0, depth))} has no parts`, place);
      const map: Record<string, unknown> = { ...(node as object) };
      map[path[depth]] = put(map[path[depth]], depth + 1);
      if (map[path[depth]] === undefined) delete map[path[depth]];
      return given === undefined && !Object.keys(map).length ? undefined : map;
    };
    const changed = put(value, 0);
    this.#overrides.push({ ...override, path: path.slice(0, whole) });
    return changed;
  }

  /** `clip.prompt` of train, as in a message. */
  #nameOf(path: Path): string {
    return path.length ? `\`${path.join('.')}\` of ${this.#part.subject}` : this.#part.subject;
  }

  #mistake(text: string, path: Path): Mistake {
    return { text, place: this.placeOf(path) };
  }

  /** An issue of zod as sentences: the key, what was found, what was expected, the nearest valid key. */
  #describe(issue: Issue, below: Path): Mistake[] {
    const path = [...below, ...issue.path.map((key) => (typeof key === 'number' ? key : String(key)))];
    const branch = issue.code === 'invalid_union' ? closestBranch(issue) : undefined;
    if (branch) return branch.flatMap((inner) => this.#describe(inner, path));
    const owner = this.#nameOf(path);
    const schema = schemaAt(this.#part.schema, path);
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(schema ?? {});
      return issue.keys.map((key) =>
        this.#mistake(`unknown key ${literal(key)} in ${owner}: ${nearest(key, known)}`, [...path, key]),
      );
    }
    const say = (text: string) => [this.#mistake(text, path)];
    // The message of a stage's own refinement, or of a pattern, is better than one generated from the schema.
    if (issue.code === 'custom') return say(`${owner}: ${issue.message}`);
    if (issue.code === 'invalid_key') return say(`${owner}: ${issue.issues[0].message}`);
    if (issue.code === 'invalid_format') return say(`${owner} is ${literal(issue.input)}: ${issue.message}`);
    const expected = schema ? describe(schema) : issue.message;
    if (issue.input === undefined)
      return say(`${this.#nameOf(path.slice(0, -1))} lacks \`${path.at(-1)}\`: expected ${expected}`);
    return say(`${owner} is ${found(issue.input)}: expected ${expected}`);
  }
}

/** The intended branch of a union: the only one that accepts the type of the whole value. */
function closestBranch(issue: z.core.$ZodIssueInvalidUnion): Issue[] | undefined {
  const deeper = issue.errors.filter((branch) =>
    branch.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
  );
  return deeper.length === 1 ? deeper[0] : undefined;
}

/** The fault of an absolute path, in words; undefined if the path is valid. */
async function pathMistake({ kind, value, advice }: PathOption): Promise<string | undefined> {
  const info = await stat(value).catch(() => undefined);
  const hint = advice ? `. ${advice}` : '';
  if (!info) return `no such ${kind}: ${value}${hint}`;
  if (kind === 'folder' ? info.isDirectory() : info.isFile()) return undefined;
  return `expected a ${kind}, and ${value} is ${info.isDirectory() ? 'a folder' : 'a file'}${hint}`;
}

/** Throws all mistakes as one InputError, a line each; the first one's place is the error's. */
export function throwMistakes(mistakes: readonly Mistake[]): void {
  if (!mistakes.length) return;
  const [first, ...others] = mistakes;
  const rest = others.map(({ text, place }) => `\n${new InputError(text, place).message}`);
  throw new InputError(first.text + rest.join(''), first.place);
}
