/** A value for an element of a template: its text, its children, or an element that replaces it; nothing removes it. */
export type Content = string | number | Node | readonly (Node | string)[] | undefined;

/** The page's element with an id. */
export function byId<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found as T;
}

/** A copy of a template of the page, and its elements by `data-field`. */
export class Piece {
  readonly content: DocumentFragment;

  constructor(template: string) {
    this.content = byId<HTMLTemplateElement>(template).content.cloneNode(true) as DocumentFragment;
  }

  /** The element of a field. */
  get<T extends Element = HTMLElement>(field: string): T {
    const found = this.content.querySelector(`[data-field="${field}"]`);
    if (!found) throw new Error(`the template has no field ${field}`);
    return found as T;
  }

  /** Fills fields. A field without content is removed from the page. */
  fill(fields: Record<string, Content>): this {
    for (const [field, content] of Object.entries(fields)) {
      const element = this.get(field);
      if (content === undefined) element.remove();
      else if (typeof content === 'string' || typeof content === 'number') element.textContent = `${content}`;
      else if (content instanceof Node) element.replaceChildren(content);
      else element.replaceChildren(...content);
    }
    return this;
  }
}

/** An element with text or children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Shows a picture in an `img` of a template, with its size so that nothing moves. */
export function showPicture(
  img: HTMLImageElement,
  { src, width, height }: { src: string; width: number; height: number },
  alt: string,
): void {
  Object.assign(img, { width, height, alt });
  img.src = src;
}

/** A number, also with a unit or a difference. */
const QUANTITY = /^[-+−]?[\d.,:]+( \S{1,3})?( \(\S+\))?$/;

/** A table: a head, and rows whose first cell names the row. Columns of numbers are aligned to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | Node)[])[],
): HTMLTableElement {
  const isNumeric = (column: number) =>
    rows.some((row) => typeof row[column] === 'string' && QUANTITY.test(row[column] as string));
  const numeric = head.map((_, column) => column > 0 && isNumeric(column));
  const cell = (name: 'th' | 'td', column: number, content: string | Node) =>
    element(name, numeric[column] ? 'number' : '', content);
  const headRow = head.map((title, column) => {
    const th = cell('th', column, title) as HTMLTableCellElement;
    th.scope = 'col';
    return th;
  });
  const body = rows.map((row) => {
    const cells = row.map((content, column) => {
      const made = cell(column ? 'td' : 'th', column, content) as HTMLTableCellElement;
      if (!column) made.scope = 'row';
      return made;
    });
    return element('tr', '', ...cells);
  });
  const made = element('table', '');
  made.append(element('thead', '', element('tr', '', ...headRow)), element('tbody', '', ...body));
  return made;
}

/** A list of labels and values. */
export function facts(rows: readonly (readonly [string, string])[]): Node[] {
  return rows.map(([label, value]) => element('div', '', element('dt', '', label), element('dd', '', value)));
}
