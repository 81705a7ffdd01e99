import { createHash } from 'node:crypto';
import { InputError } from '../../wgsl/core/index.ts';
import { literal, nearest } from './describe.ts';
import type { Mistake } from './section.ts';
import { parseYaml } from './source.ts';
import type { Scalar } from './substitute.ts';

export type { Scalar };

/** The values of a matrix, axis by axis, in the file's order. */
export type Axes = Record<string, readonly Scalar[]>;

/** One run of a matrix: a value for every axis. */
export interface Cell {
  /** `rococo-1`: a safe name of a folder, unlike that of any other cell even where letter case does not count. */
  name: string;
  values: Record<string, Scalar>;
}

/** All cells; the last axis changes fastest. */
export function cellsOf(axes: Axes): Cell[] {
  let all: Record<string, Scalar>[] = [{}];
  for (const [axis, values] of Object.entries(axes))
    all = all.flatMap((before) => values.map((value) => ({ ...before, [axis]: value })));
  const slugs = all.map((values) => slugOf(Object.values(values)));
  const counts = new Map<string, number>();
  for (const slug of slugs) counts.set(slug.toLowerCase(), (counts.get(slug.toLowerCase()) ?? 0) + 1);
  return all.map((values, i) => {
    const unique = counts.get(slugs[i].toLowerCase()) === 1 && !RESERVED.test(slugs[i]);
    return { name: unique ? slugs[i] : `${slugs[i]}-${digest(values)}`, values };
  });
}

/** Names that are reserved in the folder of a matrix, or on Windows. */
const RESERVED = /^(matrix\.json|con|prn|aux|nul|(com|lpt)\d)$/i;

/** Maximum letters of a value in the name, and of the name, within the 255 bytes of a file name. */
const VALUE_LETTERS = 40;
const NAME_LETTERS = 100;

function slugOf(values: readonly Scalar[]): string {
  const trimmed = (text: string, letters: number) => text.slice(0, letters).replace(/[-._]+$/, '');
  const parts = values.map((value) => {
    const text = typeof value === 'number' ? String(value).replace(/^-/, 'minus-') : String(value);
    const plain = text
      .normalize('NFKD')
      .replace(/\p{Mark}/gu, '')
      .replace(/[^A-Za-z0-9._]+/g, '-')
      .replace(/^[-._]+/, '');
    return trimmed(plain, VALUE_LETTERS) || 'x';
  });
  return trimmed(parts.join('-'), NAME_LETTERS);
}

/** Depends on the values alone, so that a cell keeps its name when other cells are added or removed. */
function digest(values: Record<string, Scalar>): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 6);
}

const NAMES_SHOWN = 12;

/**
 * The cell with this name or these values; a string has either form of `--cell`, `rococo-1` or `prompt=rococo,seed=1`.
 * Throws InputError.
 */
export function findCell(
  cells: readonly Cell[],
  axes: Axes,
  wanted: string | Readonly<Record<string, Scalar>>,
): Cell {
  const named = cells.find(({ name }) => name === wanted);
  if (named) return named;
  const place = `--cell ${typeof wanted === 'string' ? wanted : JSON.stringify(wanted)}`;
  const fail = (text: string): never => {
    throw new InputError(text, place);
  };
  if (typeof wanted === 'string' && !wanted.includes('=')) {
    const names = cells.map(({ name }) => name);
    const shown = names.length <= NAMES_SHOWN ? names : [...names.slice(0, NAMES_SHOWN), '…'];
    return fail(`no cell has this name: ${nearest(wanted, shown)}`);
  }
  const values = typeof wanted === 'string' ? parseValues(wanted, place) : wanted;
  for (const [axis, value] of Object.entries(values)) {
    if (!Object.hasOwn(axes, axis))
      fail(`the matrix has no axis ${axis}: ${nearest(axis, Object.keys(axes))}`);
    const texts = axes[axis].map(String);
    if (!texts.includes(String(value)))
      fail(`${literal(value)} is not a value of ${axis}: ${nearest(String(value), texts)}`);
  }
  const lacking = Object.keys(axes).filter((axis) => !Object.hasOwn(values, axis));
  if (lacking.length)
    fail(
      `a cell needs a value for every axis; ${lacking.join(', ')} ${lacking.length > 1 ? 'have' : 'has'} none`,
    );
  return cells.find((cell) =>
    Object.keys(axes).every((axis) => String(cell.values[axis]) === String(values[axis])),
  )!;
}

/** `prompt=rococo,seed=1`; a value with a comma is in double quotes. */
function parseValues(text: string, place: string): Record<string, Scalar> {
  const fail = (mistake: string): never => {
    throw new InputError(mistake, place);
  };
  const values: Record<string, Scalar> = {};
  const pair = /\s*([^=,]+)=("(?:[^"\\]|\\.)*"|[^",]*)(?:,(?=.)|$)/y;
  while (pair.lastIndex < text.length) {
    const [, name = '', value] = pair.exec(text) ?? [];
    const axis = name.trim();
    if (!axis)
      fail(
        'expected the name of a cell, or AXIS=VALUE,… such as prompt=rococo,seed=1 (quote a value with a comma)',
      );
    if (Object.hasOwn(values, axis)) fail(`the axis ${axis} is given twice`);
    values[axis] = value.startsWith('"') ? (parseYaml(value, place).value as string) : value.trim();
  }
  return values;
}

const CELLS_SHOWN = 3;

/** The mistakes of all cells, each once; a mistake of only some cells names them. */
export function mergeCells(
  cells: readonly (Cell | undefined)[],
  mistakes: readonly (readonly Mistake[])[],
): Mistake[] {
  const cellNames = new Map<string, Set<string | undefined>>();
  for (const [index, own] of mistakes.entries()) {
    for (const key of own.map((mistake) => JSON.stringify(mistake)))
      cellNames.set(key, (cellNames.get(key) ?? new Set()).add(cells[index]?.name));
  }
  return [...cellNames].map(([key, names]) => {
    const mistake = JSON.parse(key) as Mistake;
    if (names.size === cells.length) return mistake;
    const shown = [...names].slice(0, CELLS_SHOWN).join(', ');
    const more = names.size > CELLS_SHOWN ? ` and ${names.size - CELLS_SHOWN} more` : '';
    return { ...mistake, text: `${mistake.text} (cell${names.size > 1 ? 's' : ''} ${shown}${more})` };
  });
}
