import { count, duration } from '../../units.ts';
import type { MatrixCell, MatrixReport } from '../data.ts';
import { copyButton } from './controls.ts';
import { element, Piece, table } from './dom.ts';
import { dateText, numberText, scoreLabel } from './format.ts';

/** The page of a matrix: its cells in a table that sorts, and the contact sheet. */
export function matrixPage(matrix: MatrixReport): DocumentFragment {
  const { name, status, axes, scores, cells, seconds, made, sheet, command } = matrix;
  const piece = new Piece('matrix-page');
  const lead = [count(cells.length, 'cell'), `of ${axes.join(' × ')}`, duration(seconds), dateText(made)];
  const shown = scores.filter(({ name }) => !/\.(before|covisible)$/.test(name));
  const head = ['Cell', ...axes, 'Status', 'Time', ...shown.map(({ name }) => scoreLabel(name))];
  const rows = cells.map((cell) => [
    nameOf(cell),
    ...axes.map((axis) => String(cell.values[axis])),
    statusOf(cell),
    cell.seconds === undefined ? '' : duration(cell.seconds),
    ...shown.map(({ name }) => (cell.scores[name] === undefined ? '' : numberText(cell.scores[name]))),
  ]);
  const keys = cells.map((cell) => [
    cell.name,
    ...axes.map((axis) => cell.values[axis]),
    cell.status,
    cell.seconds,
    ...shown.map(({ name }) => cell.scores[name]),
  ]);
  piece.fill({
    status,
    title: name,
    lead: lead.join(' · '),
    command,
    cells: sortable(table(head, rows), keys),
  });
  piece.get('status').classList.add(status);
  if (sheet) piece.get<HTMLImageElement>('sheet').src = sheet;
  else piece.fill({ sheetSection: undefined });
  copyButton(piece.get<HTMLButtonElement>('copy'), command);
  return piece.content;
}

function nameOf({ name, report }: MatrixCell): Node {
  if (!report) return element('span', '', name);
  const link = element('a', '', name);
  link.href = report;
  return link;
}

function statusOf({ status, error }: MatrixCell): Node {
  const pill = element('span', `pill ${status.replace(' ', '-')}`, status);
  if (error) pill.title = error;
  return pill;
}

type Key = string | number | boolean | undefined;

/** Lets the heads of a table sort its rows by `keys`, one list for each row. Rows without a key come last. */
function sortable(made: HTMLTableElement, keys: readonly (readonly Key[])[]): HTMLTableElement {
  const body = made.tBodies[0];
  const rows = [...body.rows];
  const heads = [...made.tHead!.rows[0].cells];
  for (const [column, head] of heads.entries()) {
    const button = element('button', '', ...head.childNodes);
    button.type = 'button';
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      const isDescending = head.getAttribute('aria-sort') === 'ascending';
      for (const other of heads) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', isDescending ? 'descending' : 'ascending');
      const order = rows
        .map((_, i) => i)
        .sort((a, b) => compare(keys[a][column], keys[b][column], isDescending));
      body.replaceChildren(...order.map((i) => rows[i]));
    });
  }
  return made;
}

function compare(a: Key, b: Key, isDescending: boolean): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
  return isDescending ? -order : order;
}
