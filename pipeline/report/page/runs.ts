import { count } from '../../units.ts';
import type { ComparisonReport } from '../data.ts';
import { element, Piece, table } from './dom.ts';
import { dateText, scoreLabel, scoreText, unitText } from './format.ts';

/** Maximum number of results that are listed by name. */
const MAX_FILES = 50;

/** The page that compares runs: pictures by frame, scores with differences, and the options that differ. */
export function comparisonPage({
  name,
  made,
  runs,
  options,
  scores,
  files,
}: ComparisonReport): DocumentFragment {
  const piece = new Piece('comparison-page');
  const names = runs.map(({ name }) => name);
  piece.fill({
    title: name,
    lead: dateText(made),
    scores: table(
      ['Score', ...names],
      scores.map(({ name, unit, values }) => [
        [scoreLabel(name), unitText(unit)].filter(Boolean).join(', '),
        ...values.map((value, i) => withDifference(value, i ? values[0] : undefined)),
      ]),
    ),
    optionTable: options.length
      ? table(
          ['Option', ...names],
          options.map(({ name, values }) => [name, ...values.map((value) => value ?? '—')]),
        )
      : element('p', 'note', 'All options are the same.'),
    fileCount: `${files.length > MAX_FILES ? `The first ${MAX_FILES} of ` : ''}${count(files.length, 'result')}`,
    fileTable: files.length
      ? table(
          ['Result', ...names],
          files
            .slice(0, MAX_FILES)
            .map(({ name, values }) => [name, ...values.map((value) => value?.slice(0, 12) ?? '—')]),
        )
      : element('p', 'note', 'All results are the same to the byte.'),
  });
  fillPictures(piece, runs);
  return piece.content;
}

function withDifference(value: number | undefined, first: number | undefined): string {
  if (value === undefined) return '—';
  if (first === undefined || first === value) return scoreText(value);
  const difference = value - first;
  return `${scoreText(value)} (${difference > 0 ? '+' : '−'}${scoreText(Math.abs(difference))})`;
}

/** The frames at one place of the path, side by side. Paths of other lengths are scaled. */
function fillPictures(piece: Piece, runs: ComparisonReport['runs']): void {
  const shown = runs.flatMap(({ name, turntable }) => (turntable ? [{ name, turntable }] : []));
  if (!shown.length) return void piece.fill({ picturesSection: undefined });
  const frame = piece.get<HTMLInputElement>('frame');
  const frameName = piece.get('frameName');
  const steps = Math.max(...shown.map(({ turntable }) => turntable.frames.length));
  frame.max = String(steps - 1);
  const pictures = shown.map(({ name, turntable: { width, height } }) => {
    const img = element('img', '');
    Object.assign(img, { width, height });
    return { img, figure: element('figure', '', img, element('figcaption', '', name)) };
  });
  const show = () => {
    frameName.textContent = frame.value;
    for (const [i, { name, turntable }] of shown.entries()) {
      const index = Math.floor((Number(frame.value) * turntable.frames.length) / steps);
      pictures[i].img.src = turntable.frames[index];
      pictures[i].img.alt = `Frame ${turntable.names[index]} of ${name}`;
    }
  };
  frame.addEventListener('input', show);
  show();
  piece.fill({ pictures: pictures.map(({ figure }) => figure) });
}
