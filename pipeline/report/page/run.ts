import { byteSize, count, duration } from '../../units.ts';
import type { HeldOutData, RunReport, ScoreData, StageData } from '../data.ts';
import { comparison } from './comparison.ts';
import { choice, copyButton } from './controls.ts';
import { curveGroup } from './curves.ts';
import { type Content, element, facts, Piece, showPicture, table } from './dom.ts';
import { dateText, scoreLabel, scoreText, unitText } from './format.ts';
import { splatViewer } from './viewer.ts';

/** The page of one run. */
export function runPage(run: RunReport): DocumentFragment {
  const { turntable, heldOut, curves, stages, prompt } = run;
  const piece = new Piece('run-page');
  const [headlines, others] = [run.scores.filter(({ meaning }) => meaning), run.scores];
  const title = prompt === undefined ? run.name : `“${prompt}”`;
  const isOver = run.status === 'done';
  piece.fill({
    name: run.name,
    status: run.status,
    title,
    what: isOver ? whatOf(run) : undefined,
    lead: leadOf(run),
    problem: run.error && [
      element('h2', '', run.status === 'stopped' ? 'The run was stopped' : 'The run failed'),
      element('pre', '', run.error),
    ],
    comparison:
      turntable &&
      comparison(turntable, {
        what: prompt === undefined ? 'the turntable' : `the splat restyled to ${title}`,
      }),
    video: run.video && videoOf(run.video),
    scores: headlines.length ? headlines.map(scoreCard) : undefined,
    flow: stages.map((stage) => flowNode(stage, stages)),
    repeatTitle: isOver ? 'Repeat it' : 'Continue it',
    command: run.command,
    cwd: run.cwd,
    repeatNote: isOver
      ? 'The same command on the same adapter gives the same bytes.'
      : 'The same command uses the finished stages, and continues the others from their last checkpoint.',
    options: optionGroups(stages),
    costs: costTable(run),
    machine: facts(run.machine),
    versions: facts(run.versions),
    files: table(
      ['File', 'Size', 'SHA-256'],
      run.files.map(({ path, bytes, sha256 }) => [path, byteSize(bytes), element('code', '', sha256)]),
    ),
  });
  piece.get('status').classList.add(run.status);
  if (others.length) piece.fill({ scoreTable: scoreTable(others) });
  else piece.fill({ otherScores: undefined });
  if (curves.length) piece.fill({ curves: curves.map((curve) => curveGroup(curve).node) });
  else piece.fill({ curvesSection: undefined });
  fillViewer(piece, run);
  if (heldOut.length) fillHeldOut(piece, heldOut);
  else piece.fill({ heldOutSection: undefined });
  copyButton(piece.get<HTMLButtonElement>('copy'), run.command);
  return piece.content;
}

/** What the run made, for a reader who knows no splats. */
function whatOf({ prompt, stages }: RunReport): string {
  const isTrained = stages.some(({ stage }) => stage === 'train');
  const source = isTrained ? ', made from photographs' : '';
  return `A 3D scene (a Gaussian splat)${source}${prompt === undefined ? '' : ' and restyled to look like this text'}.`;
}

function leadOf({ gaussians, seconds, made, heldOut, turntable }: RunReport): string {
  const parts = [
    gaussians === undefined ? undefined : `${gaussians.toLocaleString('en-US')} Gaussians`,
    turntable && `video of ${count(turntable.names.length, 'frame')}`,
    heldOut.length ? count(heldOut.length, 'held-out view') : undefined,
    `computed in ${duration(seconds)}`,
    dateText(made),
  ];
  return parts.filter((part) => part !== undefined).join(' · ');
}

function videoOf({ src, poster }: NonNullable<RunReport['video']>): Content {
  const piece = new Piece('video');
  const video = piece.get<HTMLVideoElement>('video');
  video.src = src;
  if (poster) Object.assign(video, { poster: poster.src, width: poster.width, height: poster.height });
  video.setAttribute('aria-label', 'Video of the turntable');
  return piece.content;
}

function scoreCard({ name, value, unit, over, before, meaning }: ScoreData): Node {
  const isRatio = unit === '1';
  // Restyling changes colours on purpose: the fidelity that counts is the one before it.
  const isOfTrained = before !== undefined && (name === 'psnr' || name === 'ssim');
  const other = isOfTrained
    ? `${scoreText(value)} after restyling, which changes the colours on purpose`
    : before !== undefined && `${scoreText(before)} before restyling`;
  return new Piece('score').fill({
    name: isOfTrained ? `${scoreLabel(name)} before restyling` : scoreLabel(name),
    value: scoreText(isOfTrained ? before : value),
    unit: unit === 'dB' ? unit : undefined,
    other: other || undefined,
    meaning,
    over: isRatio || unit === 'dB' ? `over ${over}` : `${unit}, over ${over}`,
  }).content;
}

function scoreTable(scores: readonly ScoreData[]): Node {
  const rows = scores.map(({ name, value, unit, over, before }) => [
    name,
    scoreText(value),
    before === undefined ? '' : scoreText(before),
    unitText(unit),
    over,
  ]);
  return table(['Score', 'Value', 'Before restyling', 'Unit', 'Over'], rows);
}

/** The viewer, or the command that adds it. */
function fillViewer(piece: Piece, { viewer, turntable }: RunReport): void {
  const isHere = typeof viewer === 'object' && turntable;
  piece.fill(isHere ? { viewer: splatViewer(viewer, turntable) } : { splatSection: undefined });
  piece.fill(
    typeof viewer === 'string' ? { viewerCommand: element('code', '', viewer) } : { viewerHint: undefined },
  );
}

/** The views; where the splat was restyled, a choice between the trained splat, which comes first, and the restyled one. */
function fillHeldOut(piece: Piece, views: readonly HeldOutData[]): void {
  const list = piece.get('heldOut');
  const show = (which: 'before' | 'now') =>
    list.replaceChildren(...views.map((view) => heldOutView(view, which)));
  const hasBefore = views.every(({ before }) => before);
  show(hasBefore ? 'before' : 'now');
  if (!hasBefore) return void piece.fill({ heldOutChoice: undefined });
  const values = [
    ['before', 'Trained splat'],
    ['now', 'Restyled splat'],
  ] as const;
  piece.fill({ heldOutChoice: choice('Splat', values, show) });
}

function heldOutView(view: HeldOutData, which: 'before' | 'now'): Node {
  const { name, photograph } = view;
  const { render, difference, gain, psnr, ssim } = view[which] ?? view.now;
  const piece = new Piece('held-out-view');
  piece.fill({
    name,
    psnr: psnr === undefined ? 'masked' : `PSNR ${scoreText(psnr)} dB`,
    ssim: ssim === undefined ? undefined : `SSIM ${scoreText(ssim)}`,
    gain: gain > 1 ? `difference × ${gain}` : 'difference',
  });
  showPicture(piece.get('photograph'), photograph, `Photograph ${name}`);
  showPicture(piece.get('render'), render, `Render of ${name}`);
  showPicture(piece.get('difference'), difference, `Difference of ${name} from its photograph`);
  return piece.content;
}

function flowNode(stage: StageData, all: readonly StageData[]): Node {
  const { id, state, seconds, why, inputs, summary } = stage;
  const piece = new Piece('flow-stage');
  const longest = Math.max(...all.map((one) => one.seconds));
  const took = state === 'cached' ? `took ${duration(seconds)}` : duration(seconds);
  const from = new Map<string, string[]>();
  for (const { artefact, from: producer } of inputs)
    from.set(producer, [...(from.get(producer) ?? []), artefact]);
  const sources = [...from].map(([producer, names]) => `${names.join(', ')} from ${producer}`);
  piece.fill({
    id,
    how: state === 'unused' ? 'not needed' : state,
    time: seconds ? took : '—',
    why,
    inputs: sources.length ? `Takes ${sources.join('; ')}` : undefined,
  });
  piece.get('how').classList.add(state.replace(' ', '-'));
  piece.get('bar').style.width = `${longest ? (100 * seconds) / longest : 0}%`;
  piece.get('id').title = summary;
  return piece.content;
}

function optionGroups(stages: readonly StageData[]): Node[] {
  return stages
    .filter(({ options }) => options.length)
    .map(({ id, options }) => {
      const rows = options.map(({ name, value, standard }) => {
        const parts = name.split('.').flatMap((part, i) => (i ? ['.', element('wbr', ''), part] : [part]));
        const term = element('dt', '', ...parts);
        const now = element('dd', '', element('code', '', value));
        if (standard !== undefined) now.append(element('span', 'standard', `default ${standard}`));
        return element('div', '', term, now);
      });
      return new Piece('stage-options').fill({ stage: id, options: rows }).content;
    });
}

function costTable({ stages, otherTransfers }: RunReport): Node {
  const size = (bytes: number) => (bytes ? byteSize(bytes) : '');
  const rows = stages.map(({ id, seconds, peakBytes, bytesUp, bytesDown }) => [
    id,
    seconds ? duration(seconds) : '',
    size(peakBytes),
    size(bytesUp),
    size(bytesDown),
  ]);
  const between = otherTransfers.map(({ name, bytesUp, bytesDown }) => [
    name,
    '',
    '',
    size(bytesUp),
    size(bytesDown),
  ]);
  return table(
    ['Stage', 'Time', 'GPU memory, peak so far', 'To the GPU', 'From the GPU'],
    [...rows, ...between],
  );
}
