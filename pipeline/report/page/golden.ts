import { count } from '../../units.ts';
import type { GoldenFrame, GoldenReport } from '../data.ts';
import { comparison } from './comparison.ts';
import { element, Piece, showPicture, table } from './dom.ts';
import { dateText, numberText } from './format.ts';

const PILLS: Readonly<Record<string, string>> = { ok: 'done', FAIL: 'failed' };

/** The page of a check of golden renders. */
export function goldenPage({ name, made, status, text, rows, frames }: GoldenReport): DocumentFragment {
  const piece = new Piece('golden-page');
  const failed = rows.filter(({ verdict }) => verdict === 'FAIL').length;
  piece.fill({
    status: failed ? `${count(failed, 'result')} not as recorded` : 'as recorded',
    title: name,
    lead: [count(rows.length, 'result'), count(frames.length, 'picture'), dateText(made)].join(' · '),
    text,
    rows: table(
      ['Result', 'Name', 'Verdict', 'Found', 'Required'],
      rows.map(({ kind, name, verdict, found, required }) => [
        kind,
        name,
        element('span', `pill ${PILLS[verdict] ?? ''}`, verdict),
        element('span', '', found),
        required,
      ]),
    ),
  });
  piece.get('status').classList.add(status);
  if (frames.length) piece.fill({ frames: frames.map(frameView) });
  else piece.fill({ framesSection: undefined });
  return piece.content;
}

function frameView(frame: GoldenFrame): Node {
  const { name, max, mean, ssim, recorded, now, difference, gain, ofThisRun } = frame;
  const { width, height } = now;
  const pair = { width, height, names: [name], frames: [now.src], before: [recorded.src] };
  const piece = new Piece('golden-frame').fill({
    name,
    max: `max ${max}`,
    mean: `mean ${numberText(mean)}`,
    ssim: `SSIM ${numberText(ssim)}`,
    comparison: comparison(pair, {
      what: 'the recorded splat, rendered now',
      before: 'as recorded',
      labels: ['recorded', 'now'],
    }),
    gain: max ? `difference × ${gain}` : 'no difference',
  });
  showPicture(piece.get('difference'), difference, `Difference of frame ${name} from the recorded one`);
  showPicture(piece.get('ofThisRun'), ofThisRun, `Frame ${name} of the splat of this run`);
  return piece.content;
}
