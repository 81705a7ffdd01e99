import { count, duration } from '../../units.ts';
import type { CurveData, LiveReport, LiveStage, LiveUpdate, RunList } from '../data.ts';
import { type CurveGroup, curveGroup } from './curves.ts';
import { element, Piece, table } from './dom.ts';
import { follow } from './follow.ts';
import { dateText, numberText, scoreLabel, scoreText } from './format.ts';

/** Scores of the list of runs. */
const LISTED_SCORES = ['psnr', 'ssim', 'clip'];

/** The page of a running run. It follows the run, and becomes the report when the run ends. */
export function livePage(run: LiveReport): DocumentFragment {
  const piece = new Piece('live-page');
  const view = new LiveView(piece);
  view.show(run);
  let latest = run;
  follow(piece.get('connection'), (change: LiveUpdate) => {
    latest = { ...latest, error: undefined, ...change };
    view.show(latest);
  });
  setInterval(() => view.showStages(latest), 1000); // their times
  return piece.content;
}

/** The parts of the page that change. */
class LiveView {
  readonly #name: HTMLElement;
  readonly #title: HTMLElement;
  readonly #lead: HTMLElement;
  readonly #problem: HTMLElement;
  readonly #now: HTMLElement;
  readonly #flow: HTMLElement;
  readonly #previewFigure: HTMLElement;
  readonly #preview: HTMLImageElement;
  readonly #curvesSection: HTMLElement;
  readonly #curves: HTMLElement;
  readonly #notesSection: HTMLElement;
  readonly #notes: HTMLElement;
  readonly #groups = new Map<string, { shape: string; group: CurveGroup }>();
  #shown?: readonly CurveData[];

  constructor(piece: Piece) {
    this.#name = piece.get('name');
    this.#title = piece.get('title');
    this.#lead = piece.get('lead');
    this.#problem = piece.get('problem');
    this.#now = piece.get('now');
    this.#flow = piece.get('flow');
    this.#previewFigure = piece.get('previewFigure');
    this.#preview = piece.get('preview');
    this.#curvesSection = piece.get('curvesSection');
    this.#curves = piece.get('curves');
    this.#notesSection = piece.get('notesSection');
    this.#notes = piece.get('notes');
  }

  show(run: LiveReport): void {
    const { name, seed, adapter, stages, preview, notes, error } = run;
    this.#name.textContent = name;
    const current = stages.find(({ state }) => state === 'running');
    const finished = stages.filter(({ state }) => state !== 'waiting' && state !== 'running').length;
    this.#title.textContent = current?.id ?? name;
    this.#lead.textContent = stages.length
      ? [`${finished} of ${count(stages.length, 'stage')} finished`, `seed ${seed}`, adapter].join(' · ')
      : '';
    document.title = `${current?.id ?? 'starting'} · ${name} · splatline`;
    this.#problem.hidden = !error;
    this.#problem.textContent = error ?? '';
    this.#now.replaceChildren(...(current?.progress ? [progressOf(current)] : []));
    this.#previewFigure.hidden = !preview;
    if (preview && this.#preview.getAttribute('src') !== preview) this.#preview.src = preview;
    this.showStages(run);
    if (run.curves !== this.#shown) this.#showCurves(run.curves);
    this.#notesSection.hidden = !notes.length;
    this.#notes.replaceChildren(
      ...notes.map(({ stage, text, isWarning }) => {
        const label = element('strong', '', isWarning ? `${stage || 'run'}, warning` : stage || 'run');
        return element('li', '', label, ` ${text}`);
      }),
    );
  }

  showStages({ stages }: LiveReport): void {
    const seconds = stages.map(secondsOf);
    const longest = Math.max(...seconds);
    this.#flow.replaceChildren(
      ...stages.map(({ id, state }, i) => {
        const node = new Piece('flow-stage').fill({
          id,
          how: state,
          time: seconds[i] ? `${state === 'cached' ? 'took ' : ''}${duration(seconds[i])}` : '—',
          why: undefined,
          inputs: undefined,
        });
        node.get('how').classList.add(state);
        node.get('bar').style.width = `${longest ? (100 * seconds[i]) / longest : 0}%`;
        return node.content;
      }),
    );
  }

  /** A group with the same metrics is drawn again with more values; others are new. */
  #showCurves(curves: readonly CurveData[]): void {
    this.#shown = curves;
    this.#curvesSection.hidden = !curves.length;
    for (const curve of curves) {
      const shape = curve.series.map(({ name }) => name).join();
      const known = this.#groups.get(curve.stage);
      if (known?.shape === shape) known.group.update(curve);
      else this.#groups.set(curve.stage, { shape, group: curveGroup(curve) });
    }
    const nodes = curves.map(({ stage }) => this.#groups.get(stage)!.group.node);
    const isSame = nodes.length === this.#curves.children.length && nodes.every((node) => node.isConnected);
    if (!isSame) this.#curves.replaceChildren(...nodes);
  }
}

function secondsOf({ state, seconds, began }: LiveStage): number {
  if (state === 'running' && began !== undefined) return Math.max(0, (Date.now() - began) / 1000);
  return seconds ?? 0;
}

function progressOf({ id, progress }: LiveStage): Node {
  const { step, steps, metrics, perSecond, secondsLeft, compiling } = progress!;
  const piece = new Piece('progress');
  const bar = piece.get<HTMLProgressElement>('bar');
  Object.assign(bar, { max: steps, value: step });
  bar.setAttribute('aria-label', `Steps of ${id}`);
  const rate = perSecond > 0 ? [`${numberText(perSecond)} steps/s`] : [];
  const left = perSecond > 0 && step < steps ? [`${duration(secondsLeft)} left`] : [];
  const values = Object.entries(metrics).map(([name, value]) => `${name} ${numberText(value)}`);
  piece.fill({
    steps: `${numberText(step)} of ${count(steps, 'step')}`,
    rate: compiling ? 'compiling kernels' : [...rate, ...left].join(' · '),
    metrics: values.join(' · '),
  });
  return piece.content;
}

/** The runs of a folder, the newest first. */
export function listPage({ name, runs }: RunList): DocumentFragment {
  const shown = LISTED_SCORES.filter((score) => runs.some(({ scores }) => scores[score] !== undefined));
  const hasPrompts = runs.some(({ prompt }) => prompt !== undefined);
  const rows = runs.map(({ name, href, kind, status, made, prompt = '', scores }) => {
    const link = element('a', '', name);
    link.href = href;
    return [
      link,
      element('span', `pill ${status}`, kind === 'matrix' ? `matrix, ${status}` : status),
      ...(hasPrompts ? [prompt] : []),
      ...shown.map((score) => (scores[score] === undefined ? '' : scoreText(scores[score]))),
      dateText(made, 'medium'),
    ];
  });
  return new Piece('list-page').fill({
    title: name,
    lead: `${count(runs.length, 'run')}, the newest first`,
    runs: table(
      ['Run', 'Status', ...(hasPrompts ? ['Prompt'] : []), ...shown.map(scoreLabel), 'Written'],
      rows,
    ),
  }).content;
}
