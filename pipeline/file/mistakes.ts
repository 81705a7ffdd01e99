import type { z } from 'zod';
import { InputError, type Place } from '../../wgsl/core/index.ts';
import { describe, found, type JsonSchema, literal, nearest, schemaAt } from './describe.ts';
import type { Path } from './yaml.ts';

/** One thing wrong with a pipeline file, in one sentence. */
export interface Mistake {
  text: string;
  place: Place;
}

type Issue = z.core.$ZodIssue;

/**
 * Turns what zod says of a value into sentences that name the key, what was found, what was expected and the nearest
 * valid key. `subject` is what the options belong to: `train`, or `the file`.
 */
export function mistakesOf(
  issues: readonly Issue[],
  value: unknown,
  schema: JsonSchema,
  subject: string,
  placeOf: (path: Path) => Place,
): Mistake[] {
  return issues.flatMap((issue): Mistake[] => {
    const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
    const inner = issue.code === 'invalid_union' ? closestBranch(issue, path) : undefined;
    if (inner) return mistakesOf(inner, value, schema, subject, placeOf);
    const owner = nameOf(path, subject);
    if (issue.code === 'unrecognized_keys') {
      const known = Object.keys(propertiesAt(schema, path));
      return issue.keys.map((key) => ({
        text: `unknown key ${literal(key)} in ${owner}: ${nearest(key, known)}`,
        place: placeOf([...path, key]),
      }));
    }
    const place = placeOf(path);
    // A refinement of the stage's own says what it wants better than any schema.
    if (issue.code === 'custom') return [{ text: `${owner}: ${issue.message}`, place }];
    if (issue.code === 'invalid_key') return [{ text: `${owner}: ${issue.issues[0].message}`, place }];
    const given = at(value, path);
    // So does what is written beside a pattern.
    if (issue.code === 'invalid_format')
      return [{ text: `${owner} is ${literal(given)}: ${issue.message}`, place }];
    const node = schemaAt(schema, path);
    const expected = node ? describe(node) : issue.message;
    if (given === undefined) {
      const whole = nameOf(path.slice(0, -1), subject);
      return [{ text: `${whole} lacks \`${path.at(-1)}\`: expected ${expected}`, place }];
    }
    return [{ text: `${owner} is ${found(given)}: expected ${expected}`, place }];
  });
}

/** Throws all mistakes as one InputError, a line each; the first one's place is the error's. */
export function throwMistakes(mistakes: readonly Mistake[]): void {
  if (!mistakes.length) return;
  const [first, ...others] = mistakes;
  const rest = others.map(({ text, place }) => `\n${new InputError(text, place).message}`);
  throw new InputError(first.text + rest.join(''), first.place);
}

/** A mistake of one cell of a matrix. */
export interface CellMistake extends Mistake {
  cell: string;
}

/** Each mistake once, with the cells that make it, where not all do. */
export function mergeCellMistakes(mistakes: readonly CellMistake[], cells: number): Mistake[] {
  const merged = new Map<string, { mistake: Mistake; cells: string[] }>();
  for (const { cell, ...mistake } of mistakes) {
    const key = JSON.stringify(mistake);
    const known = merged.get(key);
    if (known) known.cells.push(cell);
    else merged.set(key, { mistake, cells: [cell] });
  }
  return [...merged.values()].map(({ mistake, cells: some }) => {
    if (some.length === cells) return mistake;
    const shown = some.slice(0, CELLS_SHOWN).join(', ');
    const more = some.length > CELLS_SHOWN ? ` and ${some.length - CELLS_SHOWN} more` : '';
    return { ...mistake, text: `${mistake.text} (cell${some.length > 1 ? 's' : ''} ${shown}${more})` };
  });
}

const CELLS_SHOWN = 3;

/** The branch of a union that the value was meant for: the only one that got past the value's own type. */
function closestBranch(issue: z.core.$ZodIssueInvalidUnion, path: Path): Issue[] | undefined {
  const deeper = issue.errors.filter((branch) =>
    branch.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
  );
  if (deeper.length !== 1) return undefined;
  return deeper[0].map((inner) => ({ ...inner, path: [...path, ...inner.path] }));
}

function propertiesAt(schema: JsonSchema, path: Path): Record<string, JsonSchema> {
  const node = schemaAt(schema, path);
  if (!node) return {};
  return Object.assign({}, node.properties, ...(node.anyOf ?? []).map((branch) => branch.properties));
}

function at(value: unknown, path: Path): unknown {
  let node = value;
  for (const key of path) {
    if (typeof node !== 'object' || node === null) return undefined;
    node = (node as Record<string | number, unknown>)[key];
  }
  return node;
}

function nameOf(path: Path, subject: string): string {
  return path.length ? `\`${dotted(path)}\` of ${subject}` : subject;
}

export function dotted(path: Path): string {
  return path.join('.');
}
