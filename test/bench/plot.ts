import type { Row } from './row.ts';
import { type Series, seriesOf } from './scaling.ts';

/** A line of a plot. */
export interface Line {
  name: string;
  points: readonly { x: number; y: number }[];
}

export interface Plot {
  title: string;
  xTitle: string;
  yTitle: string;
  lines: readonly Line[];
}

const WIDTH = 720;
const HEIGHT = 440;
const LEFT = 64;
const RIGHT = 24;
const TOP = 64;
const BOTTOM = 60;
/** Space around the points, in pixels: a value stands below each. */
const MARGIN = 30;

const STYLE = `
    text { font: 13px system-ui, sans-serif; fill: #24292f }
    .title { font-size: 15px; font-weight: 600 }
    .value { font-size: 11px; stroke: #ffffff; stroke-width: 3px; paint-order: stroke }
    .back { fill: #ffffff } .grid { stroke: #d0d7de } .frame { stroke: #57606a; fill: none }
    .line0 { stroke: #0969da; fill: none } .dot0 { fill: #0969da; stroke: #0969da }
    .line1 { stroke: #bc4c00; fill: none; stroke-dasharray: 5 4 } .dot1 { fill: #ffffff; stroke: #bc4c00 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .value { stroke: #0d1117 }
      .back { fill: #0d1117 } .grid { stroke: #30363d } .frame { stroke: #8b949e }
      .line0 { stroke: #58a6ff } .dot0 { fill: #58a6ff; stroke: #58a6ff }
      .line1 { stroke: #f0883e } .dot1 { fill: #0d1117; stroke: #f0883e }
    }`;

/** A log-log plot as SVG, for light and dark backgrounds. Each point of the first line carries its value. */
export function plotSvg({ title, xTitle, yTitle, lines }: Plot): string {
  const all = lines.flatMap(({ points }) => points);
  if (!all.length || all.some(({ x, y }) => !(x > 0 && y > 0))) {
    throw new Error(`${title}: a log-log plot needs points above zero, found ${JSON.stringify(all)}`);
  }
  const x = axis(
    all.map((point) => point.x),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = axis(
    all.map((point) => point.y),
    HEIGHT - BOTTOM,
    TOP,
  );
  const xs = [...new Set(all.map((point) => point.x))].sort((a, b) => a - b);
  const parts = [
    `<rect class="back" width="${WIDTH}" height="${HEIGHT}"/>`,
    text(title, WIDTH / 2, 24, 'middle', 'title'),
    ...xs.flatMap((value) => [
      `<path class="grid" d="M${x(value)} ${TOP}V${HEIGHT - BOTTOM}"/>`,
      text(number(value, 2), x(value), HEIGHT - BOTTOM + 20, 'middle'),
    ]),
    ...ticks(y.low, y.high).flatMap((value) => [
      `<path class="grid" d="M${LEFT} ${y(value)}H${WIDTH - RIGHT}"/>`,
      text(number(value), LEFT - 8, y(value) + 4, 'end'),
    ]),
    `<rect class="frame" x="${LEFT}" y="${TOP}" width="${WIDTH - LEFT - RIGHT}" height="${HEIGHT - TOP - BOTTOM}"/>`,
    text(xTitle, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, 'middle'),
    `<text text-anchor="middle" transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)">${escaped(yTitle)}</text>`,
  ];
  for (const [i, { name, points }] of lines.entries()) {
    const path = points.map((point) => `${x(point.x)} ${y(point.y)}`).join('L');
    const at = LEFT + 8 + 150 * i;
    parts.push(
      `<path class="line${i}" d="M${at} 46h24"/>`,
      `<circle class="dot${i}" cx="${at + 12}" cy="46" r="3.5"/>`,
      text(name, at + 30, 50, 'start'),
      `<path class="line${i}" stroke-width="1.5" d="M${path}"/>`,
      ...points.map((point) => `<circle class="dot${i}" cx="${x(point.x)}" cy="${y(point.y)}" r="3.5"/>`),
    );
  }
  // Below the curve, where the other line, which lies above, does not run.
  parts.push(
    ...lines[0].points.map((point) =>
      text(point.y.toPrecision(3), x(point.x), y(point.y) + 18, 'middle', 'value'),
    ),
  );
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`;
  return `${head}\n  <title>${escaped(title)}</title>\n  <style>${STYLE}\n  </style>\n  ${parts.join('\n  ')}\n</svg>\n`;
}

/** Names of the plots' files, without the ending. */
export const PLOTS: Record<Series, string> = { gaussians: 'step-by-gaussians', pixels: 'step-by-pixels' };

/** The plots of a result's scaling rows, as SVG by the file's name; none of a series without two rows. */
export function scalingPlots(rows: readonly Row[], adapter: string): Map<string, string> {
  const plots = new Map<string, string>();
  for (const series of ['gaussians', 'pixels'] as const) {
    const own = rows.filter((row) => seriesOf(row) === series);
    if (own.length < 2) continue;
    const { width, height, gaussians } = own[0];
    const millions = (row: Row) => (series === 'gaussians' ? row.gaussians! : row.width! * row.height!) / 1e6;
    const pick = (name: string, value: (row: Row) => number | null): Line => ({
      name,
      points: own.flatMap((row) => {
        const y = value(row);
        return y === null ? [] : [{ x: millions(row), y }];
      }),
    });
    const lines = [pick('GPU', ({ gpuMs }) => gpuMs), pick('wall clock', ({ wallMs }) => wallMs)];
    const fixed =
      series === 'gaussians' ? `${width}×${height} pixels` : `${number(gaussians! / 1e6)} M Gaussians`;
    const svg = plotSvg({
      title: `A training step at ${fixed} · ${adapter}`,
      xTitle: series === 'gaussians' ? 'Gaussians, millions' : 'pixels, millions',
      yTitle: 'ms a step',
      lines: lines.filter(({ points }) => points.length),
    });
    plots.set(`${PLOTS[series]}.svg`, svg);
  }
  return plots;
}

/** A logarithmic scale from values to positions, with the values' bounds and a margin. */
function axis(values: readonly number[], from: number, to: number) {
  const [minimum, maximum] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  // Equal values have an axis, too.
  const margin = (MARGIN * Math.max(maximum - minimum, 0.1)) / (Math.abs(to - from) - 2 * MARGIN);
  const [low, high] = [minimum - margin, Math.max(maximum, minimum + 0.1) + margin];
  const place = (value: number) =>
    Number((from + ((Math.log10(value) - low) / (high - low)) * (to - from)).toFixed(2));
  return Object.assign(place, { low: 10 ** low, high: 10 ** high });
}

/** 1, 2 and 5 of each decade within the bounds. */
function ticks(low: number, high: number): number[] {
  const found: number[] = [];
  for (let decade = Math.floor(Math.log10(low)); decade <= Math.log10(high); decade++) {
    for (const digit of [1, 2, 5]) found.push(Number((digit * 10 ** decade).toPrecision(1)));
  }
  return found.filter((value) => value >= low && value <= high);
}

/** With as many digits that count, and no zeros behind them. */
function number(value: number, digits = 3): string {
  return String(Number(value.toPrecision(digits)));
}

function text(content: string, x: number, y: number, anchor: string, kind = ''): string {
  const of = kind ? ` class="${kind}"` : '';
  return `<text${of} x="${x}" y="${y}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
