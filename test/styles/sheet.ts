import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp, { type OverlayOptions } from 'sharp';
import { TextOutlines } from '../../stages/artefacts/text-outlines.ts';
import type { Cell } from './report.ts';

/** The frames of the turntable that are shown. */
const VIEWS = ['0000.png', '0005.png'];
const GAP = 6;
const LABEL_WIDTH = 130;
const HEADING = 24;
const FONT_SIZE = 14;

/**
 * Writes the contact sheet of a capture: a row for each prompt, and two views before restyling and of each configuration.
 * `base` is the folder of the run without restyling.
 */
export async function writeSheet(path: string, base: string, cells: readonly Cell[]): Promise<void> {
  const prompts = [...new Set(cells.map(({ prompt }) => prompt))];
  const configurations = [...new Set(cells.map(({ configuration }) => configuration))];
  const text = await TextOutlines.load();
  const { width, height } = await sharp(join(base, 'frames', VIEWS[0])).metadata();
  const columnWidth = VIEWS.length * (width + GAP);
  const tiles: OverlayOptions[] = [];
  const lines: string[] = [];
  const write = (line: string, left: number, top: number) =>
    lines.push(text.line(line, left, top + FONT_SIZE, FONT_SIZE));
  for (const [column, configuration] of ['base', ...configurations].entries()) {
    const left = LABEL_WIDTH + column * columnWidth;
    write(configuration, left, GAP);
    for (const [row, prompt] of prompts.entries()) {
      const cell = cells.find((one) => one.prompt === prompt && one.configuration === configuration);
      const folder = column === 0 ? base : cell?.folder;
      if (!folder) continue;
      const top = HEADING + row * (height + GAP);
      for (const [i, view] of VIEWS.entries())
        tiles.push({ input: join(folder, 'frames', view), left: left + i * (width + GAP), top });
    }
  }
  for (const [row, prompt] of prompts.entries()) {
    const wrapped = text.wrap(prompt, LABEL_WIDTH - 2 * GAP, FONT_SIZE);
    for (const [i, line] of wrapped.entries()) write(line, GAP, HEADING + row * (height + GAP) + i * 18);
  }
  const size = {
    width: LABEL_WIDTH + (1 + configurations.length) * columnWidth,
    height: HEADING + prompts.length * (height + GAP),
  };
  const labels = `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}">${lines.join('')}</svg>`;
  await mkdir(dirname(path), { recursive: true });
  await sharp({ create: { ...size, channels: 3, background: '#fff' } })
    .composite([...tiles, { input: Buffer.from(labels), left: 0, top: 0 }])
    .png()
    .toFile(path);
}
