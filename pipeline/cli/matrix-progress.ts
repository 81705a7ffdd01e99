import { relative } from 'node:path';
import type { CellRunEvent, MatrixEvent } from '../matrix/events.ts';
import { MATRIX_FILE, type MatrixRecord } from '../matrix/record.ts';
import { duration, progressText, type Screen } from './progress.ts';

/** Where lines cannot be rewritten: between two lines of one cell's progress. */
const PLAIN_LINE_SECONDS = 10;
const REDRAW_SECONDS = 0.1;
const CLEAR_BELOW = '\x1b[J';

/**
 * Prints a matrix's events for people. On a terminal the running cells have a line each at the bottom, rewritten in place,
 * and what stays goes above them; elsewhere every line starts with the cell's name.
 */
export function matrixPrinter(screen: Screen, now: () => number = () => performance.now() / 1000) {
  let width = 8;
  /** What each running cell is at. */
  const live = new Map<string, string>();
  const shown = new Map<string, number>();
  let drawn = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;
  const label = (cell: string) => cell.padEnd(width);

  const draw = (above: string) => {
    const up = drawn ? `\x1b[${drawn}A\r${CLEAR_BELOW}` : '';
    const room = Math.max(20, (screen.columns ?? 100) - 1);
    const lines = [...live].map(([cell, text]) => `${`${label(cell)}  ${text}`.slice(0, room)}\n`);
    screen.write(up + above + lines.join(''));
    drawn = lines.length;
    drawnAt = now();
  };
  const stay = (text: string) => {
    if (screen.isTTY) draw(`${text}\n`);
    else screen.write(`${text}\n`);
  };
  /** `news`: worth a line of its own where lines cannot be rewritten. */
  const at = (cell: string, text: string, news: boolean) => {
    live.set(cell, text);
    if (screen.isTTY) {
      if (news || now() - drawnAt >= REDRAW_SECONDS) draw('');
    } else if (news || now() - (shown.get(cell) ?? 0) >= PLAIN_LINE_SECONDS) {
      shown.set(cell, now());
      stay(`${label(cell)}  ${text}`);
    }
  };
  const run = (event: CellRunEvent & { cell: string }) => {
    switch (event.event) {
      case 'stage':
        at(event.cell, `${event.stage}  …`, false);
        return;
      case 'cached':
        at(event.cell, `${event.stage}  cached`, true);
        return;
      case 'wait':
        at(event.cell, `${event.stage}  ${event.text}`, true);
        return;
      case 'progress':
        at(event.cell, `${event.stage}  ${progressText(event)}`, false);
        return;
      case 'done':
        at(event.cell, `${event.stage}  done in ${duration(event.seconds)}`, true);
        return;
      case 'warn':
        stay(`${label(event.cell)}  ${event.stage}: warning: ${event.text}`);
        return;
    }
  };

  return (event: MatrixEvent): void => {
    switch (event.event) {
      case 'matrix': {
        width = Math.max(...event.cells.map((cell) => cell.length), 8);
        const axes = Object.entries(event.axes).map(([axis, values]) => `${axis} (${values.length})`);
        const times = event.jobs > 1 ? `, ${event.jobs} at a time` : '';
        stay(`${event.name}: ${count(event.cells.length, 'cell')} of ${axes.join(' × ')}${times}`);
        return;
      }
      case 'cell':
        shown.set(event.cell, now());
        at(event.cell, `starts (${event.index + 1} of ${event.count})`, true);
        return;
      case 'cell-end': {
        live.delete(event.cell);
        const error = event.error ? `: ${event.error}` : '';
        stay(`${label(event.cell)}  ${event.status} after ${duration(event.seconds)}${error}`);
        return;
      }
      case 'stopping':
        stay(`stopping (${event.why}): the running cells save first`);
        return;
      case 'matrix-result':
        stay(resultText(event.record, event.out));
        return;
      default:
        run(event);
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

/**
 * The cells and their scores as a table: of each score what the end of the pipeline gave. What a score has beside that
 * (`clip.before`) is in `matrix.json`.
 */
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
