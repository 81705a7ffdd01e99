import uPlot from 'uplot';
import type { CurveData } from '../data.ts';
import { Piece } from './dom.ts';
import { numberText } from './format.ts';

const HEIGHT = 180;
/** Names of metrics for a reader; others keep their own. */
const LABELS: Readonly<Record<string, string>> = {
  loss: 'Loss',
  psnr: 'PSNR, dB',
  clip: 'CLIP, 100·cosine',
  splats: 'Gaussians',
  structure: 'Structure loss',
  content: 'Content loss',
};

export interface CurveGroup {
  node: Element;
  /** Draws the curves of the same metrics with other values. */
  update(curves: CurveData): void;
}

/** The curves of a stage: a panel for each metric, with one cursor for all. */
export function curveGroup({ stage, steps, series }: CurveData): CurveGroup {
  const group = new Piece('curve-group');
  const panels = series.map(({ name, values }) => panel(stage, steps, name, values));
  const node = group.fill({ stage, panels: panels.map(({ content }) => content) }).content.firstElementChild!;
  return {
    node,
    update: (curves) => curves.series.forEach(({ values }, i) => void panels[i].update(curves.steps, values)),
  };
}

type Values = (number | null)[];

function panel(stage: string, firstSteps: number[], name: string, firstValues: Values) {
  let [steps, values] = [firstSteps, firstValues];
  const piece = new Piece('curve');
  const label = LABELS[name] ?? name;
  const readout = piece.get('readout');
  const plot = piece.get('plot');
  piece.fill({ name: label });
  let rest = '';
  const describe = () => {
    const known = values.filter((value) => value !== null);
    rest = numberText(known.at(-1)!);
    readout.textContent = rest;
    plot.setAttribute(
      'aria-label',
      `${label} of ${stage}: from ${numberText(known[0])} to ${rest} in ${steps.at(-1)} steps`,
    );
  };
  describe();

  const options = (width: number): uPlot.Options => {
    const color = (property: string) => getComputedStyle(plot).getPropertyValue(property).trim();
    const axis = {
      stroke: color('--soft'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
      font: '12px system-ui, sans-serif',
    };
    return {
      width,
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: stage }, points: { size: 7 }, drag: { x: false, y: false }, y: false },
      scales: { x: { time: false } },
      axes: [
        { ...axis, grid: { show: false }, size: 28, space: 60 },
        { ...axis, size: 56, space: 36, values: (_, ticks) => ticks.map(numberText) },
      ],
      series: [
        {},
        {
          stroke: color('--accent'),
          width: 2,
          points: { show: () => steps.length < 30, size: 5, fill: color('--accent') },
        },
      ],
      hooks: {
        setCursor: [
          ({ cursor: { idx } }) => {
            const value = idx === null || idx === undefined ? null : values[idx];
            readout.textContent = value === null ? rest : `${numberText(value)} at step ${steps[idx!]}`;
          },
        ],
      },
    };
  };
  let drawn: uPlot | undefined;
  const draw = () => {
    const width = Math.floor(plot.clientWidth);
    if (!width) return;
    drawn?.destroy();
    drawn = new uPlot(options(width), [steps, values], plot);
  };
  new ResizeObserver(() => {
    const width = Math.floor(plot.clientWidth);
    if (drawn && width) drawn.setSize({ width, height: HEIGHT });
    else draw();
  }).observe(plot);
  // Colours are those of the scheme, and print is light.
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  for (const event of ['beforeprint', 'afterprint']) window.addEventListener(event, draw);
  const update = (newSteps: number[], newValues: Values) => {
    [steps, values] = [newSteps, newValues];
    describe();
    drawn?.setData([steps, values]);
  };
  return { content: piece.content, update };
}
