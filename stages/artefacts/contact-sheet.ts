import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { OverlayOptions } from 'sharp';
import { type HostPicture, rawRgb, SavedTurntable } from './saved-turntable.ts';
import type { Score } from './scores.ts';
import { TextOutlines } from './text-outlines.ts';

/** One run of a matrix. */
export interface SheetCell {
  /** Its value on each axis. */
  values: Readonly<Record<string, string | number | boolean>>;
  scores: readonly Score[];
  /** The folder of its turntable, as `saveFrames` writes it, relative to that of the sheet. Runs without one are left out. */
  frames?: string;
}

/** Scores in a label, with two decimals. */
const SHOWN_SCORES = ['clip', 'structure', 'psnr'];
/** Views in a row, evenly spaced over the turntable. */
const VIEWS = 4;
/** Longest side of a view in the two sheets, pixels. Frames are not enlarged. */
const STILL_SIDE = 320;
const ANIMATED_SIDE = 160;
/** Pages of the animation: fewer where all pages together would exceed `MAX_PIXELS`. */
const MAX_PAGES = 24;
const MAX_PIXELS = 1e8;
const PAGE_MILLISECONDS = 125;
/** WebP's limit on a side, pixels. */
const MAX_WEBP_SIDE = 16383;

const LABEL_WIDTH = 240;
const GAP = 8;
const PAPER = '#fff';
const HEADING = { size: 15, lineHeight: 20, color: '#1a1a1a' };
const DETAILS = { size: 13, lineHeight: 18, color: '#5f5f5f' };
const MAX_HEADING_LINES = 10;

interface Row {
  heading: string[];
  details: string[];
  turntable: SavedTurntable;
}

/**
 * Writes `sheet.png` into a folder: a row for each run with its values, its scores and the same four views of its turntable.
 * The splat before restyling has a row of its own above the runs that share it. In `sheet.webp` the views turn once; it is left
 * out where the sheet is too high for the format. Equal inputs give equal bytes. Fewer than two runs leave no sheet. An
 * earlier sheet is removed.
 *
 * @throws InputError where a saved turntable is damaged.
 */
export async function writeContactSheet(folder: string, cells: readonly SheetCell[]): Promise<void> {
  const [still, animated] = ['sheet.png', 'sheet.webp'].map((name) => join(folder, name));
  for (const path of [still, animated]) await rm(path, { force: true });
  const pictured = cells.flatMap(({ frames, ...cell }) =>
    frames ? { ...cell, frames: join(folder, frames) } : [],
  );
  if (pictured.length < 2) return;
  const { default: sharp } = await import('sharp');
  const rows = await rowsOf(pictured);
  const [page] = await drawPages(rows, STILL_SIDE, 1);
  await sharp(page.data, { raw: rawRgb(page.info) })
    .png()
    .toFile(still);
  const pages = await drawPages(rows, ANIMATED_SIDE, MAX_PAGES);
  const { width, height } = pages[0].info;
  if (height > MAX_WEBP_SIDE) return;
  const film = sharp(Buffer.concat(pages.map(({ data }) => data)), {
    raw: { ...rawRgb({ width, height: height * pages.length }), pageHeight: height },
    limitInputPixels: false,
  });
  const delay = pages.map(() => PAGE_MILLISECONDS);
  await film.webp({ quality: 80, effort: 2, loop: 0, delay }).toFile(animated);
}

/** The rows from top to bottom. Runs share the splat before restyling if its first frame is the same. */
async function rowsOf(cells: readonly Required<SheetCell>[]): Promise<Row[]> {
  const rows: Row[] = [];
  let base: Buffer | undefined;
  for (const { values, scores, frames } of cells) {
    const before = await SavedTurntable.open(frames, 'before');
    if (before.count) {
      const first = await before.read(0);
      if (!base?.equals(first)) {
        rows.push({ heading: ['before restyling'], details: [], turntable: before });
        base = first;
      }
    }
    rows.push({
      heading: Object.entries(values).map(([axis, value]) => `${axis}: ${value}`),
      details: SHOWN_SCORES.flatMap((name) => {
        const [now, old] = [name, `${name}.before`].map((one) => scores.find((score) => score.name === one));
        if (!now) return [];
        const unit = now.unit === 'dB' ? ' dB' : '';
        return `${name} ${now.value.toFixed(2)}${unit}${old ? ` (before ${old.value.toFixed(2)})` : ''}`;
      }),
      turntable: await SavedTurntable.open(frames, 'frames'),
    });
  }
  return rows;
}

/** The sheet as pages on which the turntables advance, at most `maxPages`; `side` as in `SavedTurntable.view`. */
async function drawPages(rows: readonly Row[], side: number, maxPages: number): Promise<HostPicture[]> {
  const { default: sharp } = await import('sharp');
  const text = await TextOutlines.load();
  const sizes = await Promise.all(rows.map(async ({ turntable }) => (await turntable.view(0, side)).info));
  const count = Math.max(...rows.map(({ turntable }) => turntable.count));
  const columns = Math.min(VIEWS, count);
  const pitch = GAP + Math.max(...sizes.map(({ width }) => width));
  const width = GAP + LABEL_WIDTH + GAP + columns * pitch;
  let height = GAP;
  const tops: number[] = [];
  const labels: OverlayOptions[] = [];
  for (const [i, row] of rows.entries()) {
    const label = drawLabel(row, text);
    tops.push(height);
    labels.push({ input: Buffer.from(label.svg), left: GAP, top: height });
    height += GAP + Math.max(label.height, sizes[i].height);
  }
  const blank = sharp({ create: { width, height, channels: 3, background: PAPER } });
  const labelled = await blank.composite(labels).removeAlpha().raw().toBuffer();

  const pageCount = Math.min(maxPages, count, Math.max(1, Math.floor(MAX_PIXELS / (width * height))));
  /** A turn in steps: one for each page, and at least one for each column. */
  const steps = Math.max(pageCount, columns);
  const views: HostPicture[][] = [];
  for (const { turntable } of rows) {
    const own: HostPicture[] = [];
    for (let step = 0; step < steps; step++)
      own.push(await turntable.view(Math.floor((step * turntable.count) / steps), side));
    views.push(own);
  }
  const pages: HostPicture[] = [];
  for (let page = 0; page < pageCount; page++) {
    const tiles = views.flatMap((own, row) =>
      Array.from({ length: columns }, (_, column) => {
        const { data, info } = own[(page + Math.floor((column * steps) / columns)) % steps];
        const left = GAP + LABEL_WIDTH + GAP + column * pitch;
        return { input: data, raw: rawRgb(info), left, top: tops[row] };
      }),
    );
    const sheet = sharp(labelled, { raw: rawRgb({ width, height }) }).composite(tiles);
    pages.push(await sheet.removeAlpha().raw().toBuffer({ resolveWithObject: true }));
  }
  return pages;
}

/** The label of a row as an SVG. */
function drawLabel({ heading, details }: Row, text: TextOutlines): { svg: string; height: number } {
  let y = 0;
  const draw = (lines: readonly string[], { size, lineHeight, color }: typeof HEADING) =>
    lines.map((line) => `<g fill="${color}">${text.line(line, 0, (y += lineHeight) - 5, size)}</g>`).join('');
  const wrapped = heading.flatMap((line) => text.wrap(line, LABEL_WIDTH, HEADING.size));
  const shown = wrapped.slice(0, MAX_HEADING_LINES);
  if (shown.length < wrapped.length) shown.push('…');
  const paths = draw(shown, HEADING) + draw(details, DETAILS);
  return {
    svg: `<svg xmlns="http://www.w3.org/2000/svg" width="${LABEL_WIDTH}" height="${y}">${paths}</svg>`,
    height: y,
  };
}
