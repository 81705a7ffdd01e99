import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type SheetCell, writeContactSheet } from '../stages/artefacts/contact-sheet.ts';
import { type Frame, saveFrames } from '../stages/artefacts/frames.ts';
import { TextOutlines } from '../stages/artefacts/text-outlines.ts';
import type { Gpu } from '../wgsl/core/index.ts';
import { inScratch } from './helpers/fake-stages.ts';

type Rgb = [number, number, number];

const [WIDTH, HEIGHT] = [40, 24];
/** Where the views start, and from one to the next; the first row starts at `GAP`. */
const [LEFT, PITCH, GAP] = [256, WIDTH + 8, 8];

/** Reads buffers that are their own bytes. */
const gpu = { read: async (bytes: Uint8Array<ArrayBuffer>) => bytes.buffer } as unknown as Gpu;

/** A frame of one colour with alpha 0, which a sheet must ignore: a frame's colours include the background. */
function frameOf(rgb: Rgb, name: string, [width, height]: [number, number]): Frame {
  const camera = { width, height, fx: 1, fy: 1, cx: 1, cy: 1, viewmat: new Array<number>(16).fill(0) };
  const color = new Uint8Array(4 * width * height).map((_, i) => [...rgb, 0][i % 4]);
  const depth = new Uint8Array(4 * width * height);
  return { name, camera, color, depth } as unknown as Frame;
}

/** Saves a turntable; the colour of a frame is `rgb` with red replaced by 20 times its index. */
async function saveTurntable(
  folder: string,
  rgb: Rgb,
  {
    count = 8,
    before,
    size = [WIDTH, HEIGHT],
  }: { count?: number; before?: Rgb; size?: [number, number] } = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const turn = ([, g, b]: Rgb) =>
    Array.from({ length: count }, (_, i) => frameOf([20 * i, g, b], String(i).padStart(4, '0'), size));
  await saveFrames(gpu, { fps: 4, frames: turn(rgb), before: before ? turn(before) : [] }, folder);
}

const scoresOf = (clip: number, psnr: number): SheetCell['scores'] => [
  { name: 'psnr', value: psnr, unit: 'dB', over: '7 views' },
  { name: 'psnr.before', value: 30, unit: 'dB', over: '7 views' },
  { name: 'clip', value: clip, unit: '100·cosine', over: '8 frames' },
  { name: 'consistency', value: 0.1, unit: 'RMSE', over: '7 pairs' },
];

async function pixelsOf(path: string, page = 0) {
  const { data, info } = await sharp(path, { page })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return {
    width: info.width,
    height: info.height,
    at: (x: number, y: number) => [...data.subarray(3 * (y * info.width + x)).subarray(0, 3)],
    /** Whether a row of the label column has ink between two heights. */
    hasInk: (from: number, to: number) =>
      data.subarray(3 * from * info.width, 3 * to * info.width).some((level, i) => {
        return Math.floor(i / 3) % info.width < LEFT - GAP && level < 128;
      }),
  };
}

/** The view in a row that starts at `top`: the colour at its centre. */
const centre = (column: number, top: number) =>
  [LEFT + column * PITCH + WIDTH / 2, top + HEIGHT / 2] as const;

test('a sheet has a row for each run, in order, below the splat that they share', async () => {
  await inScratch(async (folder) => {
    await saveTurntable(join(folder, 'a'), [0, 50, 100], { before: [0, 9, 9] });
    await saveTurntable(join(folder, 'b'), [0, 60, 110], { before: [0, 9, 9] });
    await saveTurntable(join(folder, 'c'), [0, 70, 120], { before: [0, 200, 9] });
    await writeContactSheet(folder, [
      { values: { k: 0.1 }, scores: scoresOf(20, 28), frames: 'a' },
      { values: { k: 1 }, scores: [], frames: 'b' },
      { values: { k: 2 }, scores: [] },
      { values: { k: 3 }, scores: [], frames: 'c' },
    ]);
    const sheet = await pixelsOf(join(folder, 'sheet.png'));
    // A label of one line is 20 pixels high, less than a view; each of two scores adds 18.
    const tops = [8, 40, 104, 136, 168];
    assert.is(sheet.width, LEFT + 4 * PITCH);
    assert.is(sheet.height, 200);
    const rows: Rgb[] = [
      [0, 9, 9],
      [0, 50, 100],
      [0, 60, 110],
      [0, 200, 9],
      [0, 70, 120],
    ];
    for (const [row, top] of tops.entries()) {
      for (const column of [0, 1, 2, 3])
        assert.equal(sheet.at(...centre(column, top)), [40 * column, ...rows[row].slice(1)], `row ${row}`);
      assert.equal(sheet.at(LEFT - 2, top), [255, 255, 255]);
      assert.equal(sheet.at(LEFT, top)[2], rows[row][2]);
      assert.ok(sheet.hasInk(top, top + 20), `the label of row ${row}`);
    }
    assert.ok(sheet.hasInk(60, 78) && sheet.hasInk(78, 96), 'scores');
    assert.not(sheet.hasInk(124, 136), 'without scores there is no such line');
  });
});

test('the animated sheet turns once: every frame is the first view of a page', async () => {
  await inScratch(async (folder) => {
    await saveTurntable(join(folder, 'a'), [0, 50, 100]);
    await saveTurntable(join(folder, 'b'), [0, 60, 110], { count: 4 });
    const cells = ['a', 'b'].map((frames) => ({ values: { frames }, scores: [], frames }));
    await writeContactSheet(folder, cells);
    const path = join(folder, 'sheet.webp');
    const { pages, loop, delay } = await sharp(path).metadata();
    assert.is(pages, 8);
    assert.is(loop, 0);
    assert.equal(delay, new Array(8).fill(125));
    for (let page = 0; page < 8; page++) {
      const { at } = await pixelsOf(path, page);
      for (const column of [0, 1, 2, 3]) {
        const step = (page + 2 * column) % 8;
        for (const [top, red] of [
          [8, 20 * step],
          [40, 20 * Math.floor(step / 2)],
        ]) {
          const [found] = at(...centre(column, top));
          assert.ok(Math.abs(found - red) <= 6, `page ${page}, column ${column}: ${found}, not ${red}`);
        }
      }
    }
  });
});

test('large frames are scaled down, and a single frame is one column', async () => {
  await inScratch(async (folder) => {
    const options = { count: 1, size: [640, 320] as [number, number] };
    for (const name of ['a', 'b']) await saveTurntable(join(folder, name), [0, 50, 100], options);
    await writeContactSheet(folder, [
      { values: { k: 1 }, scores: [], frames: 'a' },
      { values: { k: 2 }, scores: [], frames: 'b' },
    ]);
    const still = await pixelsOf(join(folder, 'sheet.png'));
    assert.equal([still.width, still.height], [LEFT + 328, 8 + 2 * 168]);
    assert.equal(still.at(LEFT + 319, 8 + 159), [0, 50, 100]);
    assert.equal(still.at(LEFT + 320, 8 + 160), [255, 255, 255]);
    const animated = await pixelsOf(join(folder, 'sheet.webp'));
    assert.equal([animated.width, animated.height], [LEFT + 168, 8 + 2 * 88]);
  });
});

test('equal runs give equal bytes; fewer than two leave no sheet, and remove an earlier one', async () => {
  await inScratch(async (folder) => {
    await saveTurntable(join(folder, 'a'), [0, 50, 100]);
    const cell = { values: { prompt: 'Äpfel & <b>, 漢字' }, scores: scoresOf(1, 2), frames: 'a' };
    const bytes = async () =>
      Promise.all(['sheet.png', 'sheet.webp'].map((name) => readFile(join(folder, name), 'base64')));
    await writeContactSheet(folder, [cell, cell]);
    const first = await bytes();
    await writeContactSheet(folder, [cell, cell]);
    assert.equal(await bytes(), first);
    await writeContactSheet(folder, [{ ...cell, values: { prompt: 'Apfel' } }, cell]);
    assert.is.not((await bytes())[0], first[0], 'the label counts');
    await writeContactSheet(folder, [cell, { ...cell, frames: undefined }]);
    for (const name of ['sheet.png', 'sheet.webp']) assert.not(existsSync(join(folder, name)), name);
    const errorOf = async () => {
      let error = '';
      await writeContactSheet(folder, [cell, cell]).catch(({ message }: Error) => (error = message));
      return error;
    };
    await truncate(join(folder, 'a/frames.bin'), 100);
    assert.match(await errorOf(), /frames\.bin: ends inside a frame.*run again from the orbit stage/);
    await rm(join(folder, 'a/frames.bin'));
    assert.match(await errorOf(), /frames\.bin: cannot be opened/);
    await writeFile(join(folder, 'a/frames.json'), '{');
    assert.match(await errorOf(), /frames\.json.*run again from the orbit stage/);
  });
});

test('text is wrapped at spaces, and inside a word that is too long', async () => {
  const text = await TextOutlines.load();
  assert.equal(text.wrap('', 100, 10), []);
  assert.equal(text.wrap('one two', 1000, 10), ['one two']);
  const lines = text.wrap('day of the dead, in the style of unreal engine 5', 100, 10);
  assert.ok(lines.length > 2);
  assert.is(lines.join(' '), 'day of the dead, in the style of unreal engine 5');
  for (const line of lines) assert.equal(text.wrap(line, 100, 10), [line]);
  const pieces = text.wrap(`a ${'m'.repeat(40)}`, 100, 10);
  assert.is(pieces.join(''), `a${'m'.repeat(40)}`);
  assert.is(pieces[0], 'a');
  assert.is(text.wrap('mm', 1, 10).join(''), 'mm', 'a width that fits no character ends');
  // A wider letter moves the next one; unknown characters are a box.
  const shifts = (line: string) => [...line.matchAll(/translate\((\d+) 0\)/g)].map(([, x]) => Number(x));
  const [narrow, wide] = ['ia', 'Wa'].map((word) => shifts(text.line(word, 0, 1, 10))[1]);
  assert.ok(narrow > 0 && wide > 2 * narrow);
  assert.is(text.line('漢', 0, 0, 10), text.line('□', 0, 0, 10));
  assert.is(text.line('e\u0301', 0, 0, 10), text.line('é', 0, 0, 10));
});

test.run();
