import type { Checked } from './check.ts';
import { frameColumns, scoreColumns, verdictOf } from './columns.ts';
import { compare } from './compare.ts';
import { escaped } from './escape.ts';
import { heatMap } from './heat-map.ts';
import type { FramePair } from './judge.ts';
import { encodePicture, type Picture } from './picture.ts';
import { subject, summary } from './report.ts';

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --bad: #c8102e; --good: #1a7f37; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .75rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.FAIL { color: var(--bad); font-weight: 700; } .ok { color: var(--good); }
.pair { display: flex; flex-wrap: wrap; gap: .75rem; margin: 0 0 1.5rem; }
figure { margin: 0; } figcaption { font-size: 13px; }
img { display: block; width: 20rem; max-width: 100%; image-rendering: pixelated; border: 1px solid var(--line); }
pre { white-space: pre-wrap; }
`;

/** One page that stands alone: verdicts, and before | after | difference of every golden camera. */
export function reportPage({ report, frames, chain }: Checked): string {
  const { mode, because, notes, adapter, rows } = report;
  const judged =
    mode === 'bytes'
      ? `Judged by bytes, on the adapter that recorded: ${adapter.now}.`
      : `Judged by tolerance: ${because.join('; ')}. Recorded on ${adapter.recorded}; now ${adapter.now}.`;
  const frameTable = frameColumns(report).map(judgedRow).join('');
  const scoreTable = scoreColumns(report).map(judgedRow).join('');
  const others = rows.filter(({ kind }) => kind !== 'frame' && kind !== 'score');
  const differing = others.filter(({ exact }) => !exact);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Golden renders: ${escaped(report.file)}</title>
<style>${STYLE}</style>
<h1>Golden renders: ${escaped(report.file)}</h1>
<pre>${escaped(summary(report))}</pre>
<p>${escaped(judged)}</p>
${notes.map((note) => `<p>${escaped(note)}</p>`).join('\n')}
<h2>Committed splat</h2>
<table>${headRow(['frame', 'max, levels', 'mean, levels', 'SSIM', ''])}${frameTable}</table>
${frames.map((pair) => figures(pair)).join('\n')}
<h2>Chain</h2>
<p>${others.length - differing.length} of ${others.length} cameras, tensors and turntable pictures are equal to the recording.${
    mode === 'tolerance' ? ' On another adapter, tensors and pictures are not judged: training diverges.' : ''
  }</p>
${differing.length ? `<ul>${differing.map((row) => `<li>${escaped(subject(row))} ${verdict(verdictOf(row, report))}</li>`).join('')}</ul>` : ''}
${scoreTable ? `<table>${headRow(['score', 'golden', 'now', 'elsewhere', 'unit', ''])}${scoreTable}</table>` : ''}
<h3>The splat that was trained now, through the same cameras</h3>
<p>For the eye; no verdict rests on these.</p>
${chain.map((pair) => figures(pair)).join('\n')}
</html>
`;
}

function figures(pair: FramePair): string {
  const { name, before, after } = pair;
  const heat = heatMap(before, after);
  const { max, mean, ssim } = compare(before, after);
  const caption = `difference: up to ${max} levels, mean ${mean}, SSIM ${ssim}; the brightest colour is ${heat.top} levels`;
  return `<h4>${escaped(name)}</h4><div class="pair">${[
    figure(before, 'before (golden)'),
    figure(after, 'after (now)'),
    figure(heat, caption),
  ].join('')}</div>`;
}

function figure(picture: Picture, caption: string): string {
  const data = Buffer.from(encodePicture(picture)).toString('base64');
  return `<figure><img alt="${escaped(caption)}" src="data:image/png;base64,${data}"><figcaption>${escaped(caption)}</figcaption></figure>`;
}

/** Already markup. */
class Markup {
  readonly html: string;
  constructor(html: string) {
    this.html = html;
  }
  toString(): string {
    return this.html;
  }
}

function verdict(word: string): Markup {
  return new Markup(`<span class="${word}">${word}</span>`);
}

function tableRow(cells: readonly (string | Markup)[]): string {
  return `<tr>${cells.map((cell) => `<td>${cell instanceof Markup ? cell : escaped(cell)}</td>`).join('')}</tr>`;
}

/** A row whose last cell is its verdict. */
function judgedRow(cells: readonly string[]): string {
  return tableRow([...cells.slice(0, -1), verdict(cells.at(-1) ?? '')]);
}

function headRow(cells: readonly string[]): string {
  return `<tr>${cells.map((cell) => `<th>${escaped(cell)}</th>`).join('')}</tr>`;
}
