import type { ReportData } from '../data.ts';
import { byId, element } from './dom.ts';
import { dateText } from './format.ts';
import { goldenPage } from './golden.ts';
import { listPage, livePage } from './live.ts';
import { matrixPage } from './matrix.ts';
import { runPage } from './run.ts';
import { comparisonPage } from './runs.ts';

const data = JSON.parse(byId('data').textContent ?? '') as ReportData;

function contentOf(report: ReportData): DocumentFragment {
  switch (report.kind) {
    case 'run':
      return runPage(report);
    case 'matrix':
      return matrixPage(report);
    case 'comparison':
      return comparisonPage(report);
    case 'golden':
      return goldenPage(report);
    case 'live':
      return livePage(report);
    case 'list':
      return listPage(report);
  }
}

// Before the curves listen: they draw in the colours of the class.
for (const event of ['beforeprint', 'afterprint']) {
  addEventListener(event, () => document.documentElement.classList.toggle('print', event === 'beforeprint'));
}
byId('main').replaceChildren(contentOf(data));
const sections = [...document.querySelectorAll<HTMLElement>('main [data-section]')];
byId('sections').replaceChildren(
  ...sections.map(({ id, dataset }) => {
    const link = element('a', '', dataset.section!);
    link.href = `#${id}`;
    return link;
  }),
);
byId('footer').textContent = `Written by splatline on ${dateText(data.made)}.`;

// Paper cannot be unfolded.
let unfolded: HTMLDetailsElement[] = [];
addEventListener('beforeprint', () => {
  unfolded = [...document.querySelectorAll<HTMLDetailsElement>('details:not([open])')];
  for (const details of unfolded) details.open = true;
});
addEventListener('afterprint', () => {
  for (const details of unfolded) details.open = false;
});
