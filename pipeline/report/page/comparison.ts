import type { Turntable } from '../data.ts';
import { type Content, Piece } from './dom.ts';

let serial = 0;

/** What the pictures of a comparison are: of the frame itself, of the one under the slider, and their labels. */
export interface ComparisonTexts {
  what: string;
  before?: string;
  labels?: readonly [before: string, after: string];
}

/** The frames of a turntable, one at a time, with those before restyling under a slider. */
export function comparison(
  turntable: Turntable,
  { what, before: whatBefore = 'before restyling', labels = ['before', 'after'] }: ComparisonTexts,
): Content {
  const { frames, before, names, width, height } = turntable;
  const piece = new Piece('comparison');
  const stage = piece.get('stage');
  const [now, was] = [piece.get<HTMLImageElement>('after'), piece.get<HTMLImageElement>('before')];
  const frame = piece.get<HTMLInputElement>('frame');
  const split = piece.get<HTMLInputElement>('split');
  const name = piece.get('frameName');
  stage.style.aspectRatio = `${width} / ${height}`;
  for (const img of [now, was]) Object.assign(img, { width, height });
  frame.max = String(frames.length - 1);
  frame.id = `frame-${serial++}`;

  const show = () => {
    const index = Number(frame.value);
    now.src = frames[index];
    now.alt = `Frame ${names[index]} of ${what}`;
    name.textContent = names[index];
    if (!before.length) return;
    was.src = before[index];
    was.alt = `Frame ${names[index]} ${whatBefore}`;
  };
  const cut = () => stage.style.setProperty('--split', `${Number(split.value) / 10}%`);
  frame.addEventListener('input', show);
  if (before.length) {
    split.addEventListener('input', cut);
    split.setAttribute('aria-label', `Share of the frame ${whatBefore}`);
    cut();
    piece.fill({ beforeTag: labels[0], afterTag: labels[1] });
  } else {
    const none = undefined;
    piece.fill({ before: none, beforeTag: none, afterTag: none, split: none, handle: none });
  }
  show();
  if (frames.length === 1) piece.fill({ choice: undefined });
  return piece.content;
}
