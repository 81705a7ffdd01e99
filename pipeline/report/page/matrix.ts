import { count, duration } from '../../units.ts';
import type { MatrixCell, MatrixReport } from '../data.ts';
import { copyButton } from './controls.ts';
import { element, Piece, table } from './dom.ts';
import { follow } from './follow.ts';
import { dateText, scoreLabel, scoreText } from './format.ts';

/** The page of a matrix: its cells in a table that sorts, and the contact sheet. That of a running matrix follows it. */
export function matrixPage(matrix: MatrixReport): DocumentFragment {
  const { name, status, sheet, command, cwd } = matrix;
  const piece = new Piece('matrix-page').fill({ status, title: name, command, cwd });
  piece.get('status').classList.add(status);
  const view = new MatrixView(piece);
  view.show(matrix);
  if (matrix.isFollowed) {
    let latest = matrix;
    follow(piece.get('connection'), (change: Partial<MatrixReport>) => {
      latest = { ...latest, error: undefined, ...change };
      view.show(latest);
    });
  }
  copyButton(piece.get<HTMLButtonElement>('copy'), command);
  if (sheet) piece.get<HTMLImageElement>('sheet').src = sheet;
  else piece.fill({ sheetSection: undefined });
  return piece.content;
}

/** The parts of the page that change while the matrix runs. */
class MatrixView {
  readonly #lead: HTMLElement;
  readonly #problem: HTMLElement;
  readonly #nowSection: HTMLElement;
  readonly #now: HTMLElement;
  readonly #cells: HTMLElement;
  readonly #order: Order = { isDescending: false };
  /** The rows of the table, as JSON. */
  #shown = '';

  constructor(piece: Piece) {
    this.#lead = piece.get('lead');
    this.#problem = piece.get('problem');
    this.#nowSection = piece.get('nowSection');
    this.#now = piece.get('now');
    this.#cells = piece.get('cells');
  }

  show(matrix: MatrixReport): void {
    const { axes, cells, seconds, made, error, isFollowed } = matrix;
    const finished = cells.filter(({ status }) => status !== 'running' && status !== 'not started').length;
    const what = `one for each ${axes.length > 1 ? 'combination of ' : ''}${axes.join(' and ')}`;
    const runs = count(cells.length, 'run');
    const lead = isFollowed
      ? [`${finished} of ${runs} finished, ${what}`]
      : [`${runs}, ${what}`, duration(seconds), dateText(made)];
    this.#lead.textContent = lead.join(' · ');
    this.#problem.hidden = !error;
    this.#problem.textContent = error ?? '';
    this.#showPreviews(cells);
    const shown = JSON.stringify(cells.map((cell) => ({ ...cell, preview: undefined })));
    if (shown === this.#shown) return; // a new table loses the focus
    this.#shown = shown;
    this.#cells.replaceChildren(cellTable(matrix, this.#order));
  }

  #showPreviews(cells: readonly MatrixCell[]): void {
    const running = cells.filter(({ preview }) => preview);
    this.#nowSection.hidden = !running.length;
    const names = [...this.#now.children].map((node) => (node as HTMLElement).title);
    if (names.join('/') !== running.map(({ name }) => name).join('/')) {
      this.#now.replaceChildren(...running.map(previewOf));
    }
    for (const [i, img] of this.#now.querySelectorAll('img').entries()) {
      const { preview } = running[i];
      if (img.getAttribute('src') !== preview) img.src = preview!;
    }
  }
}

function previewOf(cell: MatrixCell): HTMLElement {
  const img = element('img', 'preview');
  img.alt = `The splat of ${cell.name}`;
  const figure = element('figure', '', img, element('figcaption', '', nameOf(cell)));
  figure.title = cell.name;
  return figure;
}

function cellTable({ axes, scores, cells }: MatrixReport, order: Order): HTMLTableElement {
  const shown = scores.filter(({ name }) => !/\.(before|covisible)$/.test(name));
  const head = ['Run', ...axes, 'Status', 'Time', ...shown.map(({ name }) => scoreLabel(name))];
  const rows = cells.map((cell) => [
    nameOf(cell),
    ...axes.map((axis) => String(cell.values[axis])),
    statusOf(cell),
    cell.seconds === undefined ? '' : duration(cell.seconds),
    ...shown.map(({ name }) => (cell.scores[name] === undefined ? '' : scoreText(cell.scores[name]))),
  ]);
  const keys = cells.map((cell) => [
    cell.name,
    ...axes.map((axis) => cell.values[axis]),
    cell.status,
    cell.seconds,
    ...shown.map(({ name }) => cell.scores[name]),
  ]);
  return sortable(table(head, rows), keys, order);
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

/** The column that sorts a table; none at first. */
interface Order {
  column?: number;
  isDescending: boolean;
}

/** Lets the heads of a table sort its rows by `keys`, one list for each row. Rows without a key come last. */
function sortable(made: HTMLTableElement, keys: readonly (readonly Key[])[], order: Order): HTMLTableElement {
  const body = made.tBodies[0];
  const rows = [...body.rows];
  const heads = [...made.tHead!.rows[0].cells];
  const sort = () => {
    const { column, isDescending } = order;
    if (column === undefined) return;
    for (const head of heads) head.removeAttribute('aria-sort');
    heads[column].setAttribute('aria-sort', isDescending ? 'descending' : 'ascending');
    const sorted = rows
      .map((_, i) => i)
      .sort((a, b) => compare(keys[a][column], keys[b][column], isDescending));
    body.replaceChildren(...sorted.map((i) => rows[i]));
  };
  for (const [column, head] of heads.entries()) {
    const button = element('button', '', ...head.childNodes);
    button.type = 'button';
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      order.isDescending = order.column === column && !order.isDescending;
      order.column = column;
      sort();
    });
  }
  sort();
  return made;
}

function compare(a: Key, b: Key, isDescending: boolean): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
  return isDescending ? -order : order;
}
