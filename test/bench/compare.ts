import type { Result } from './result.ts';
import type { Row } from './row.ts';
import { alignColumns, clipRate } from './table.ts';

/** A figure before and after; null where it is absent. */
export interface Change {
  name: string;
  before: number | null;
  after: number | null;
  /** after − before; null where one is absent. */
  difference: number | null;
  /** after ÷ before − 1; null where one is absent, or there was nothing before. */
  relative: number | null;
}

/** All that changed in a row: its totals, then its kernels, the largest difference first. */
export interface RowChange {
  id: string;
  /** Why the two cannot be compared: another scene, or of another size. */
  unlike?: string;
  totals: Change[];
  kernels: Change[];
}

export interface Comparison {
  rows: RowChange[];
  onlyBefore: string[];
  onlyAfter: string[];
}

function change(name: string, before: number | null | undefined, after: number | null | undefined): Change {
  const [a, b] = [before ?? null, after ?? null];
  const difference = a === null || b === null ? null : b - a;
  return {
    name,
    before: a,
    after: b,
    difference,
    relative: difference === null || !a ? null : difference / a,
  };
}

/** What changed from one list of rows to another. A kernel that only one of them has counts with all its time. */
export function compareRows(before: readonly Row[], after: readonly Row[]): Comparison {
  const old = new Map(before.map((row) => [row.id, row]));
  const fresh = new Set(after.map(({ id }) => id));
  return {
    rows: after.flatMap((row) => {
      const was = old.get(row.id);
      return was ? [compareRow(was, row)] : [];
    }),
    onlyBefore: before.filter(({ id }) => !fresh.has(id)).map(({ id }) => id),
    onlyAfter: after.filter(({ id }) => !old.has(id)).map(({ id }) => id),
  };
}

function compareRow(before: Row, after: Row): RowChange {
  const labels = [...new Set([...Object.keys(before.kernels), ...Object.keys(after.kernels)])];
  const weight = ({ before: a, after: b }: Change) => Math.abs((b ?? 0) - (a ?? 0));
  const unlike = (['scene', 'gaussians', 'width', 'height'] as const).find((k) => before[k] !== after[k]);
  return {
    id: after.id,
    ...(unlike ? { unlike: `${unlike}: ${before[unlike]}, and then ${after[unlike]}` } : {}),
    totals: [
      change('GPU ms', before.gpuMs, after.gpuMs),
      change('wall ms', before.wallMs, after.wallMs),
      change('kernels ms', before.kernelsMs, after.kernelsMs),
      change('TFLOP/s', clipRate(before)?.perSecond, clipRate(after)?.perSecond),
      change('waits', before.clip?.waits, after.clip?.waits),
      change('GiB', gib(before.memoryBytes), gib(after.memoryBytes)),
      change('visible', before.visible, after.visible),
      change('intersections', before.intersections, after.intersections),
    ].filter((it) => it.before !== null || it.after !== null),
    kernels: labels
      .map((label) => change(label, before.kernels[label], after.kernels[label]))
      .sort((a, b) => weight(b) - weight(a)),
  };
}

function gib(bytes: number | null): number | null {
  return bytes === null ? null : bytes / 2 ** 30;
}

/** The comparison as text. */
export function formatComparison(before: Result, after: Result): string {
  const { rows, onlyBefore, onlyAfter } = compareRows(before.rows, after.rows);
  const lines = [`before: ${heading(before)}`, `after:  ${heading(after)}`];
  if (nameOf(before) !== nameOf(after)) lines.push('warning: these are two adapters');
  for (const row of rows) {
    lines.push('', row.unlike ? `${row.id}  warning: not alike (${row.unlike})` : row.id);
    const cells = [...row.totals, ...row.kernels].map(cellsOf);
    lines.push(...alignColumns([['', 'before', 'after', 'difference', ''], ...cells]).map((l) => `  ${l}`));
  }
  if (onlyBefore.length) lines.push('', `only before: ${onlyBefore.join(', ')}`);
  if (onlyAfter.length) lines.push('', `only after: ${onlyAfter.join(', ')}`);
  return lines.join('\n');
}

function cellsOf({ name, before, after, difference, relative }: Change): string[] {
  const whole = name === 'visible' || name === 'intersections';
  const number = (value: number | null) =>
    value === null ? '—' : whole ? String(value) : value.toFixed(value < 10 ? 4 : 2);
  const sign = (difference ?? 0) > 0 ? '+' : '';
  return [
    name,
    number(before),
    number(after),
    difference === null ? '—' : sign + (whole ? String(difference) : difference.toFixed(4)),
    relative === null ? '' : `${sign}${(100 * relative).toFixed(1)} %`,
  ];
}

/** The adapter's name. */
export function nameOf({ adapter }: Result): string {
  return adapter.device || adapter.description || adapter.vendor;
}

/** Adapter, commit and date in one line. */
export function heading(result: Result): string {
  const commit = result.commit ? result.commit.slice(0, 12) : 'no commit';
  return `${nameOf(result)} · ${commit}${result.dirty ? ' and changes' : ''} · ${result.date}`;
}
