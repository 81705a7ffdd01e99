import { resolve } from 'node:path';
import type { z } from 'zod';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import { describe, found, type JsonSchema, literal, nearest, type Path, schemaAt } from './describe.ts';
import { mapPaths, type PathOption, pathMistake } from './paths.ts';
import type { Origin, PipelineSource } from './source.ts';
import { type Scope, substitute } from './substitute.ts';

/** One thing wrong with a pipeline file, in one sentence. */
export interface Mistake {
  text: string;
  place: Place;
}

type Issue = z.core.$ZodIssue;

/** A part of the file that one schema describes: its top level, its matrix, or the options of a stage. */
export class Section {
  readonly source: PipelineSource;
  readonly at: Path;
  /** The name of the part in messages: `train`, or `the file`. */
  readonly subject: string;
  readonly schema: JsonSchema;

  constructor(source: PipelineSource, at: Path, subject: string, schema: JsonSchema) {
    this.source = source;
    this.at = at;
    this.subject = subject;
    this.schema = schema;
  }

  originOf(path: Path): Origin {
    return this.source.originOf([...this.at, ...path]);
  }

  /** `clip.prompt` of train, in the words of a message. */
  nameOf(path: Path): string {
    return path.length ? `\`${path.join('.')}\` of ${this.subject}` : this.subject;
  }

  mistake(text: string, path: Path): Mistake {
    return { text, place: this.originOf(path).place };
  }

  /**
   * Fills in `${…}`, makes paths absolute and parses the result. Adds to `mistakes` whatever is wrong with the value; where
   * something is, the result is not to be used.
   */
  async parse<T>(
    value: unknown,
    parser: z.ZodType<T>,
    scope: Scope,
    mistakes: Mistake[],
  ): Promise<T | undefined> {
    const before = mistakes.length;
    const filled = substitute(value, scope, {
      wantsText: (path) => schemaAt(this.schema, path)?.type === 'string',
      report: (text, path) => mistakes.push(this.mistake(text, path)),
    });
    // A reference that stays where a number belongs needs no second complaint.
    if (mistakes.length > before) return undefined;
    const paths: PathOption[] = [];
    const resolved = mapPaths(filled, this.schema, (option) => {
      const value = resolve(this.originOf(option.path).base, option.value);
      paths.push({ ...option, value });
      return value;
    });
    const parsed = parser.safeParse(resolved);
    if (!parsed.success)
      mistakes.push(...parsed.error.issues.flatMap((issue) => this.#describe(issue, [], filled)));
    for (const option of paths) {
      const text = await pathMistake(option);
      if (text) mistakes.push(this.mistake(`${this.nameOf(option.path)}: ${text}`, option.path));
    }
    return parsed.data;
  }

  /** What zod says of a value, as sentences: the key, what was found, what was expected, the nearest valid key. */
  #describe(issue: Issue, below: Path, value: unknown): Mistake[] {
    const path = [...below, ...issue.path.map((key) => (typeof key === 'number' ? key : String(key)))];
    const branch = issue.code === 'invalid_union' ? closestBranch(issue) : undefined;
    if (branch) return branch.flatMap((inner) => this.#describe(inner, path, value));
    const owner = this.nameOf(path);
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(schemaAt(this.schema, path));
      return issue.keys.map((key) =>
        this.mistake(`unknown key ${literal(key)} in ${owner}: ${nearest(key, known)}`, [...path, key]),
      );
    }
    const given = valueAt(value, path);
    const say = (text: string) => [this.mistake(text, path)];
    // The message of a stage's own refinement, or of a pattern, is better than any text made from a schema.
    if (issue.code === 'custom') return say(`${owner}: ${issue.message}`);
    if (issue.code === 'invalid_key') return say(`${owner}: ${issue.issues[0].message}`);
    if (issue.code === 'invalid_format') return say(`${owner} is ${literal(given)}: ${issue.message}`);
    const schema = schemaAt(this.schema, path);
    const expected = schema ? describe(schema) : issue.message;
    if (given === undefined)
      return say(`${this.nameOf(path.slice(0, -1))} lacks \`${path.at(-1)}\`: expected ${expected}`);
    return say(`${owner} is ${found(given)}: expected ${expected}`);
  }
}

/** The branch of a union that the value was meant for: the only one that accepts the type of the whole value. */
function closestBranch(issue: z.core.$ZodIssueInvalidUnion): Issue[] | undefined {
  const deeper = issue.errors.filter((branch) =>
    branch.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
  );
  return deeper.length === 1 ? deeper[0] : undefined;
}

/** The keys that a map may have by its schema, or by any branch of it. */
export function knownKeys(schema: JsonSchema | undefined): string[] {
  const branches = [schema, ...(schema?.anyOf ?? [])];
  return [...new Set(branches.flatMap((branch) => Object.keys(branch?.properties ?? {})))];
}

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (node, key) =>
      typeof node === 'object' && node !== null ? (node as Record<string | number, unknown>)[key] : undefined,
    value,
  );
}

/** Throws all mistakes as one InputError, a line each; the first one's place is the error's. */
export function throwMistakes(mistakes: readonly Mistake[]): void {
  if (!mistakes.length) return;
  const [first, ...others] = mistakes;
  const rest = others.map(({ text, place }) => `\n${new InputError(text, place).message}`);
  throw new InputError(first.text + rest.join(''), first.place);
}

const CELLS_SHOWN = 3;

/** The mistakes of all cells, each once; one that only some cells make names them. */
export function mergeCells(byCell: ReadonlyMap<string, readonly Mistake[]>): Mistake[] {
  const merged = new Map<string, { mistake: Mistake; cells: Set<string> }>();
  for (const [cell, mistakes] of byCell) {
    for (const mistake of mistakes) {
      const key = JSON.stringify(mistake);
      if (!merged.has(key)) merged.set(key, { mistake, cells: new Set() });
      merged.get(key)!.cells.add(cell);
    }
  }
  return [...merged.values()].map(({ mistake, cells }) => {
    if (cells.size === byCell.size) return mistake;
    const shown = [...cells].slice(0, CELLS_SHOWN).join(', ');
    const more = cells.size > CELLS_SHOWN ? ` and ${cells.size - CELLS_SHOWN} more` : '';
    return { ...mistake, text: `${mistake.text} (cell${cells.size > 1 ? 's' : ''} ${shown}${more})` };
  });
}
