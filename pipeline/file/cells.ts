import { createHash } from 'node:crypto';
import { InputError } from '../../wgsl/core/index.ts';
import { literal, nearest } from './describe.ts';

export type Scalar = string | number | boolean;

/** The values of a matrix, axis by axis, in the file's order. */
export type Axes = Record<string, readonly Scalar[]>;

/** One run of a matrix: a value for every axis. */
export interface Cell {
  /** `rococo-1`: a safe name of a folder, unlike that of any other cell, also where letter case does not count. */
  name: string;
  values: Record<string, Scalar>;
}

/** All cells; the last axis changes fastest. */
export function cellsOf(axes: Axes): Cell[] {
  let all: Record<string, Scalar>[] = [{}];
  for (const [axis, values] of Object.entries(axes)) {
    all = all.flatMap((before) => values.map((value) => ({ ...before, [axis]: value })));
  }
  const slugs = all.map((values) => slugOf(Object.values(values)));
  const taken = new Map<string, number>();
  for (const slug of slugs) taken.set(slug.toLowerCase(), (taken.get(slug.toLowerCase()) ?? 0) + 1);
  return all.map((values, i) => {
    const alone = taken.get(slugs[i].toLowerCase()) === 1 && !RESERVED.test(slugs[i]);
    return { name: alone ? slugs[i] : `${slugs[i]}-${digest(values)}`, values };
  });
}

/** Names that mean something else in the folder of a matrix, or on Windows. */
const RESERVED = /^(matrix\.json|con|prn|aux|nul|(com|lpt)\d)$/i;

/** What a value may take of the name, and the name of 255 bytes. */
const VALUE_LETTERS = 40;
const NAME_LETTERS = 100;

function slugOf(values: readonly Scalar[]): string {
  const parts = values.map((value) => {
    const text = typeof value === 'number' ? String(value).replace(/^-/, 'minus-') : String(value);
    const plain = text
      .normalize('NFKD')
      .replace(/\p{Mark}/gu, '')
      .replace(/[^A-Za-z0-9._]+/g, '-')
      .replace(/^[-._]+/, '')
      .slice(0, VALUE_LETTERS)
      .replace(/[-._]+$/, '');
    return plain || 'x';
  });
  return parts
    .join('-')
    .slice(0, NAME_LETTERS)
    .replace(/[-._]+$/, '');
}

/** Of the values alone, so that a cell keeps its name when others come or go beside it. */
function digest(values: Record<string, Scalar>): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 6);
}

/** `prompt=rococo,seed=1`, as `--cell` takes it; a value that would be misread stands in JSON's quotes. */
export function formatCell(values: Record<string, Scalar>): string {
  const text = (value: Scalar) =>
    typeof value === 'string' && (value === '' || /[",\n\r]|^\s|\s$/.test(value))
      ? JSON.stringify(value)
      : String(value);
  return Object.entries(values)
    .map(([axis, value]) => `${axis}=${text(value)}`)
    .join(',');
}

/** The reverse of `formatCell`, the values as texts. Throws InputError. */
export function parseCell(argument: string): Record<string, string> {
  const place = `--cell ${argument}`;
  const values = new Map<string, string>();
  const pair = /\s*([^=,]+)=("(?:[^"\\]|\\.)*"|[^",]*)(,|$)/y;
  while (pair.lastIndex < argument.length) {
    const match = pair.exec(argument);
    const axis = match?.[1].trim();
    if (!match || !axis || (match[3] === ',' && pair.lastIndex === argument.length))
      throw new InputError(
        'expected the cell’s name, or AXIS=VALUE,… such as prompt=rococo,seed=1 (a value with a comma in double quotes)',
        place,
      );
    if (values.has(axis)) throw new InputError(`the axis ${axis} is given twice`, place);
    values.set(axis, match[2].startsWith('"') ? unquote(match[2], place) : match[2].trim());
  }
  return Object.fromEntries(values);
}

function unquote(text: string, place: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    throw new InputError(`${text} is not a text in JSON's quotes`, place);
  }
}

/** The cell that is called or described so: by its name, as `--cell` writes it, or by its values. Throws InputError. */
export function findCell(
  cells: readonly Cell[],
  axes: Axes,
  wanted: string | Readonly<Record<string, Scalar>>,
): Cell {
  if (typeof wanted === 'string') {
    const named = cells.find(({ name }) => name === wanted);
    if (named) return named;
  }
  const place = `--cell ${typeof wanted === 'string' ? wanted : formatCell(wanted)}`;
  if (typeof wanted === 'string' && !wanted.includes('=')) {
    const names = cells.map(({ name }) => name);
    const some = names.length <= 12 ? names : [...names.slice(0, 12), '…'];
    throw new InputError(`no cell is called so: ${nearest(wanted, some)}`, place);
  }
  const values = typeof wanted === 'string' ? parseCell(wanted) : wanted;
  for (const [axis, value] of Object.entries(values)) {
    if (!Object.hasOwn(axes, axis))
      throw new InputError(`the matrix has no axis ${axis}: ${nearest(axis, Object.keys(axes))}`, place);
    const texts = axes[axis].map(String);
    if (!texts.includes(String(value)))
      throw new InputError(
        `${literal(value)} is no value of ${axis}: ${nearest(String(value), texts)}`,
        place,
      );
  }
  const lacking = Object.keys(axes).filter((axis) => !Object.hasOwn(values, axis));
  if (lacking.length)
    throw new InputError(
      `a cell needs a value for every axis; ${lacking.join(', ')} ${lacking.length > 1 ? 'have' : 'has'} none`,
      place,
    );
  return cells.find((cell) =>
    Object.keys(axes).every((axis) => String(cell.values[axis]) === String(values[axis])),
  )!;
}
