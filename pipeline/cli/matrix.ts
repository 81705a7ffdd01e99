import { relative } from 'node:path';
import type { MatrixPlan } from '../file/read.ts';
import { MATRIX_FILE, type MatrixEvent, type MatrixRecord } from '../matrix/record.ts';
import { runMatrix } from '../matrix/run.ts';
import { parseSlot } from '../matrix/slots.ts';
import { foldersOf } from '../run/stage-plan.ts';
import type { RunFlags } from './flags.ts';
import { duration, progressText, type Screen } from './progress.ts';

/** Runs all cells of a matrix. Sets the exit code of the process to the matrix's; the table has each cell's error. */
export async function runCells(
  matrix: MatrixPlan,
  { set, from, until, out, store, jobs, failFast, adapter = [] }: RunFlags,
  signal: AbortSignal,
  onEvent: (event: MatrixEvent) => void,
): Promise<void> {
  const folders = foldersOf(matrix, { out, store });
  const flag = (name: string, value?: string) => (value === undefined ? [] : [name, value]);
  const record = await runMatrix({
    matrix,
    set,
    out: folders.out,
    store: folders.store.root,
    jobs,
    failFast,
    slots: adapter.map(parseSlot),
    flags: [...flag('--from', from), ...flag('--until', until)],
    signal,
    onEvent,
  });
  process.exitCode = record.exitCode;
}

/** `all 4 cells`, `rococo-1, wood-1` or `rococo-1 and 3 more`. */
export function cellNames(cells: readonly string[], all: number): string {
  if (cells.length === all) return all > 1 ? `all ${all} cells` : cells[0];
  return cells.length <= 2 ? cells.join(', ') : `${cells[0]} and ${cells.length - 1} more`;
}

/** Seconds between two progress lines of a cell where lines cannot be rewritten, and between two redraws where they can. */
const PLAIN_LINE_SECONDS = 10;
const REDRAW_SECONDS = 0.1;
const CLEAR_BELOW = '\x1b[J';

/**
 * Prints a matrix's events for people. On a terminal the running cells have a line each at the bottom, rewritten in place,
 * and permanent lines go above them; elsewhere every line starts with the cell's name.
 */
export function matrixPrinter(screen: Screen, now: () => number = () => performance.now() / 1000) {
  let width = 8;
  /** The latest line of each running cell, and when a line of it was last printed. */
  const live = new Map<string, string>();
  const printedAt = new Map<string, number>();
  let drawn = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;

  const draw = (above: string) => {
    const up = drawn ? `\x1b[${drawn}A\r${CLEAR_BELOW}` : '';
    const room = Math.max(20, (screen.columns ?? 100) - 1);
    const lines = [...live.values()].map((text) => `${text.slice(0, room)}\n`);
    screen.write(up + above + lines.join(''));
    drawn = lines.length;
    drawnAt = now();
  };
  const print = (text: string) => {
    if (screen.isTTY) draw(`${text}\n`);
    else screen.write(`${text}\n`);
  };
  const lineOf = (cell: string, text: string) => `${cell.padEnd(width)}  ${text}`;
  /** Shows the state of a running cell. A state that is `due` is shown at once, others at intervals. */
  const show = (cell: string, text: string, due = false) => {
    live.set(cell, lineOf(cell, text));
    if (screen.isTTY) {
      if (due || now() - drawnAt >= REDRAW_SECONDS) draw('');
    } else if (due || now() - (printedAt.get(cell) ?? 0) >= PLAIN_LINE_SECONDS) {
      printedAt.set(cell, now());
      print(lineOf(cell, text));
    }
  };

  return (event: MatrixEvent): void => {
    switch (event.event) {
      case 'matrix': {
        width = Math.max(...event.cells.map((cell) => cell.length), 8);
        const axes = Object.entries(event.axes).map(([axis, values]) => `${axis} (${values.length})`);
        const times = event.jobs > 1 ? `, ${event.jobs} at a time` : '';
        print(`${event.name}: ${count(event.cells.length, 'cell')} of ${axes.join(' × ')}${times}`);
        return;
      }
      case 'cell':
        printedAt.set(event.cell, now());
        show(event.cell, `starts (${event.index + 1} of ${event.count})`, true);
        return;
      case 'stage':
        show(event.cell, `${event.stage}  …`);
        return;
      case 'cached':
        show(event.cell, `${event.stage}  cached`, true);
        return;
      case 'wait':
        show(event.cell, `${event.stage}  ${event.text}`, true);
        return;
      case 'progress':
        show(event.cell, `${event.stage}  ${progressText(event)}`);
        return;
      case 'done':
        show(event.cell, `${event.stage}  done in ${duration(event.seconds)}`, true);
        return;
      case 'warn':
        print(lineOf(event.cell, `${event.stage}: warning: ${event.text}`));
        return;
      case 'cell-end': {
        live.delete(event.cell);
        const error = event.error ? `: ${event.error}` : '';
        print(lineOf(event.cell, `${event.status} after ${duration(event.seconds)}${error}`));
        return;
      }
      case 'matrix-warn':
        print(`warning: ${event.text}`);
        return;
      case 'stopping':
        print(`stopping (${event.why}): the running cells save first`);
        return;
      case 'matrix-result':
        print(resultText(event.record, event.out));
        return;
    }
  };
}

function resultText(record: MatrixRecord, out: string): string {
  const done = record.cells.filter(({ status }) => status === 'done').length;
  const below = relative(process.cwd(), out);
  const folder = below.startsWith('..') ? out : below || '.';
  const all = record.cells.length;
  return [
    '',
    matrixTable(record),
    '',
    `${done} of ${count(all, 'cell')} done in ${duration(record.seconds)}. Results in ${folder}, all scores in ${MATRIX_FILE} there.`,
  ].join('\n');
}

/** The cells and their scores as a table. The parts of a score (`clip.before`) are in `matrix.json` alone. */
export function matrixTable({ cells }: Pick<MatrixRecord, 'cells'>): string {
  const names = [
    ...new Set(
      cells.flatMap(({ scores }) => scores.map(({ name }) => name).filter((name) => !name.includes('.'))),
    ),
  ];
  const rows = cells.map(({ name, status, seconds, scores }) => [
    name,
    status,
    seconds === undefined ? '' : duration(seconds),
    ...names.map((wanted) => {
      const value = scores.find((score) => score.name === wanted)?.value;
      return value === undefined ? '' : String(Number(value.toPrecision(5)));
    }),
  ]);
  const table = [['cell', 'status', 'time', ...names], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  return table
    .map((row) =>
      row
        .map((text, column) => (column < 2 ? text.padEnd(widths[column]) : text.padStart(widths[column])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function count(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? '' : 's'}`;
}
