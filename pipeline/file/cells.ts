import { createHash } from 'node:crypto';
import { InputError } from '../../wgsl/core/index.ts';
import type { Mistake } from './check.ts';
import { nearest } from './describe.ts';
import type { Scalar } from './substitute.ts';

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
const RESERVED = /^(matrix\.json|sheet\.(png|webp)|con|prn|aux|nul|(com|lpt)\d)$/i;

/** Maximum length of a value in the name, and of the name, within the 255 bytes of a file name. */
const MAX_VALUE_LENGTH = 40;
const MAX_NAME_LENGTH = 100;

function slugOf(values: readonly Scalar[]): string {
  const trimmed = (text: string, length: number) => text.slice(0, length).replace(/[-._]+$/, '');
  const parts = values.map((value) => {
    const text = typeof value === 'number' ? String(value).replace(/^-/, 'minus-') : String(value);
    const plain = text
      .normalize('NFKD')
      .replace(/\p{Mark}/gu, '')
      .replace(/[^A-Za-z0-9._]+/g, '-')
      .replace(/^[-._]+/, '');
    return trimmed(plain, MAX_VALUE_LENGTH) || 'x';
  });
  return trimmed(parts.join('-'), MAX_NAME_LENGTH);
}

/** Depends on the values alone, so that a cell keeps its name when other cells are added or removed. */
function digest(values: Record<string, Scalar>): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 6);
}

const MAX_NAMES = 12;

/** The cell with this name or these values; a string is a name, or `prompt=rococo,seed=1`. Throws InputError. */
export function findCell(cells: readonly Cell[], wanted: string | Readonly<Record<string, Scalar>>): Cell {
  const assignments = (values: Readonly<Record<string, Scalar>>) =>
    Object.entries(values)
      .map(([axis, value]) => `${axis}=${value}`)
      .join(',');
  const partsOf = (text: string) => text.trim().split(/\s*,\s*/);
  const inAnyOrder = (text: string) => partsOf(text).sort().join(',');
  const given = typeof wanted === 'string' ? wanted : assignments(wanted);
  const found = cells.find(
    ({ name, values }) => name === given || inAnyOrder(assignments(values)) === inAnyOrder(given),
  );
  if (found) return found;
  const names = cells.map(({ name }) => name);
  const shown = names.length <= MAX_NAMES ? names : [...names.slice(0, MAX_NAMES), '…'];
  throw new InputError(`no cell has this name or these values: ${nearest(given, shown)}`, `--cell ${given}`);
}

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
    const [first, ...more] = names;
    const others = more.length ? ` and ${more.length} more` : '';
    return { ...mistake, text: `${mistake.text} (cell ${first}${others})` };
  });
}
