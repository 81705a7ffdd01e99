/** Photographs and videos through the stage sfm: with a program that speaks as COLMAP does and, behind CI_SFM, with COLMAP. */
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ALL_FORMATS,
  BufferTarget,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  FilePathSource,
  Input,
  Mp4OutputFormat,
  Output,
} from 'mediabunny';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readPipeline } from '../pipeline/file/read.ts';
import type { RunEvent } from '../pipeline/run/events.ts';
import { type RunOptions, runPlan } from '../pipeline/run/runner.ts';
import { planRun } from '../pipeline/run/stage-plan.ts';
import { Store } from '../pipeline/store/store.ts';
import { stages } from '../stages/index.ts';
import { FILES } from '../stages/orbit/files/index.ts';
import { extractFrames, sharpnessOf } from '../stages/sfm/frames.ts';
import { sfm } from '../stages/sfm/stage.ts';
import { silent } from '../stages/stage.ts';
import { testGpu } from './helpers/gpu.ts';
import { recordingReport } from './helpers/report.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';
import { i420Bytes } from './reference/to-i420.ts';

const FAKE = fileURLToPath(new URL('helpers/fake-colmap.mjs', import.meta.url));
const PATH = process.env.PATH!;
const gpu = await testGpu();
test.after(() => gpu.close());

const fakePath = scratchFolder();
symlinkSync(FAKE, join(fakePath, 'colmap'));
/** Node and nothing else; the shell is found when its module is loaded. */
const barePath = scratchFolder();
symlinkSync(process.execPath, join(barePath, 'node'));

test.before.each(() => {
  process.env.PATH = `${fakePath}${delimiter}${PATH}`;
  delete process.env.FAKE_COLMAP;
});
test.after.each(() => {
  process.env.PATH = PATH;
});

const NAMES = ['a.jpg', 'b.jpg', 'deep/c.png', 'd.webp'];

async function photographs(...names: string[]): Promise<string> {
  const folder = scratchFolder();
  for (const [i, name] of names.entries()) {
    const create = { width: 64, height: 48, channels: 3, background: { r: 32, g: 64, b: 16 * i } } as const;
    const format = name.endsWith('.png') ? 'png' : name.endsWith('.webp') ? 'webp' : 'jpeg';
    put(folder, name, await sharp({ create }).toFormat(format).toBuffer());
  }
  return folder;
}

/** A run of these stages with a store of its own. */
function pipeline(text: string) {
  const folder = scratchFolder();
  const read = (content = text) => {
    writeFileSync(join(folder, 'p.yaml'), content);
    return readPipeline('p.yaml', { cwd: folder, registry: stages });
  };
  const run = async (content?: string, options: RunOptions = {}) => {
    const events: RunEvent[] = [];
    const onEvent = (event: RunEvent) => void events.push(event);
    const out = join(folder, 'out');
    const result = await runPlan(await read(content), { out, gpu, onEvent, ...options });
    const said = (kind: 'note' | 'warn') =>
      events.flatMap((event) => (event.event === kind ? [event.text] : [])).join('\n');
    return { ...result, events, notes: said('note'), warnings: said('warn') };
  };
  return { read, run, out: join(folder, 'out') };
}

test('load of photographs runs sfm before it, once', async () => {
  const photos = await photographs(...NAMES);
  put(photos, 'notes.txt', 'no picture');
  put(photos, '.hidden.jpg', 'no picture');
  const { run, read, out } = pipeline(`stages:\n  - load: { photos: ${photos}, holdout: 2 }\n  - init:\n`);
  assert.equal(
    (await planRun(await read(), { out, gpu })).map(({ id, does }) => `${id} ${does}`),
    ['sfm run', 'load run', 'init run'],
  );
  const bytes = readFileSync(join(photos, 'a.jpg'));
  const first = await run();
  assert.equal(first.ran, ['sfm', 'init']);
  assert.match(
    first.notes,
    /features of 4 pictures by COLMAP 3\.8 \(Commit Unknown on Unknown without CUDA\)/,
  );
  assert.match(first.notes, /4 of 4 pictures are registered[\s\S]*2 train and 2 test views, 64×48, 6 points/);
  assert.is(first.warnings, '');
  const steps = first.events.flatMap((event) =>
    event.event === 'progress' && event.stage === 'sfm' ? [`${event.step}/${event.steps}`] : [],
  );
  assert.equal(steps, ['1/4', '2/4', '3/4', '4/4', '1/4', '2/4', '3/4', '4/4', '3/4', '4/4']);
  const log = readFileSync(first.files.find((file) => file.endsWith('colmap.log'))!, 'utf8');
  assert.match(log, /\$ colmap feature_extractor .*--SiftExtraction\.use_gpu 0/);
  assert.match(log, /exhaustive_matcher[\s\S]*mapper[\s\S]*Registering image #3/);

  assert.equal((await run()).ran, [], 'cached');
  const other = `stages:\n  - load: { path: ${photos} }\n  - init:\n`;
  const again = await run(other);
  assert.equal(again.ran, ['init'], 'the dataset differs by its hold-out, and sfm does not run again');
  assert.match(again.notes, /found photographs: 3 train and 1 test views/);

  const mask = await sharp({ create: { width: 64, height: 48, channels: 3, background: 'white' } })
    .png()
    .toBuffer();
  put(photos, 'masks/a.png', mask);
  const masked = await run(`stages:\n  - load: { photos: ${photos}, masking: ignore }\n  - init:\n`);
  assert.equal(masked.ran, ['init'], 'masks are no photographs');
  assert.match(masked.notes, /masks of 1 of 4 pictures: ignore/);

  const { key } = (await planRun(await read(other), { out, gpu }))[0];
  const store = new Store(join(out, '.store'));
  assert.equal((await run(other)).ran, []);
  await store.remove(store.folderOf(key));
  const lost = (await planRun(await read(other), { out, gpu })).find(({ id }) => id === 'init');
  assert.match(lost!.why, 'a stage before it runs again and may give other results');
  assert.equal((await run(other)).ran, ['sfm', 'init'], 'a splat of other cameras is not used');

  const reason = async () => (await planRun(await read(other), { out, gpu }))[0].why;
  put(photos, 'a.jpg', readFileSync(join(photos, 'b.jpg')));
  assert.match(await reason(), /a\.jpg/);
  put(photos, 'a.jpg', bytes);
  assert.match(await reason(), 'nothing that it depends on has changed');
  process.env.FAKE_COLMAP = 'new';
  assert.match(await reason(), /colmap/);
});

test('the option names and the log of a newer COLMAP', async () => {
  process.env.FAKE_COLMAP = 'new';
  const report = recordingReport();
  const written: Record<string, string> = {};
  const output = {
    write: async (path: string, bytes: Uint8Array | string) => void (written[path] = String(bytes)),
  };
  await sfm(gpu, {}, { photos: await photographs(...NAMES), threads: 1 }, { report, output });
  assert.equal(report.steps, [1, 2, 3, 4, 1, 2, 3, 4, 3, 4]);
  const use = Number(gpu.adapter.vendor === 'nvidia');
  assert.ok(
    written['colmap.log'].includes(`--FeatureExtraction.use_gpu ${use} --FeatureExtraction.num_threads 1`),
  );
  assert.match(written['colmap.log'], /--default_random_seed 42/);
});

test('a warning names the pictures without a camera, the causes and what to try', async () => {
  const names = [...NAMES, 'flat.jpg', 'alone.jpg', 'far 1.jpg', 'far 2.jpg', 'broken.jpg'];
  const photos = await photographs(...names);
  const { warnings, notes } = await pipeline(
    `stages:\n  - sfm: { photos: ${photos}, matching: sequential }\n  - load: { photos: ${photos} }\n  - init:\n`,
  ).run();
  assert.match(notes, /4 of 9 pictures are registered/);
  assert.match(warnings, /^5 of 9 pictures were not registered and are left out: /);
  for (const row of [
    'alone.jpg (too few matches with the others)',
    'broken.jpg (Failed to read image file format)',
    'far 1.jpg (in a separate model of 2)',
    'flat.jpg (only 3 features)',
  ]) {
    assert.ok(warnings.includes(row), `${warnings} does not say ${row}`);
  }
  assert.match(warnings, /set `matching: exhaustive` in the sfm stage, or add photographs that overlap more/);
});

test('no cameras, a crash and a missing or broken program are errors that say what to do', async () => {
  const photos = await photographs('alone 1.jpg', 'alone 2.jpg', 'flat.jpg');
  const { run } = pipeline(`stages:\n  - load: { photos: ${photos} }\n  - init:\n`);
  await throwsInput(
    run,
    'found no cameras: 3 of 3 pictures',
    'alone 1.jpg (too few',
    'flat.jpg (only 3',
    'To register them, add',
  );
  process.env.FAKE_COLMAP = 'crash';
  const good = await photographs(...NAMES);
  const log = await throwsInput(
    () => run(`stages:\n  - load: { photos: ${good} }\n  - init:\n`),
    /colmap: mapper was killed \(SIGSEGV\)/,
    /COLMAP’s log is .*colmap\.log/,
  );
  const [, file] = /log is (\S+colmap\.log)/.exec(log)!;
  assert.match(readFileSync(file, 'utf8'), /Registering image #3/);

  process.env.PATH = barePath;
  await throwsInput(run, /^colmap: is not installed; it finds the cameras of photographs and videos: \w+/);
  put(fakePath, 'other/colmap', '#!/bin/sh\necho "libceres.so.2: no such file" >&2\nexit 1\n');
  chmodSync(join(fakePath, 'other/colmap'), 0o755);
  process.env.PATH = `${join(fakePath, 'other')}${delimiter}${PATH}`;
  await throwsInput(run, 'colmap: does not start: libceres.so.2: no such file');
});

test('pictures and stages that cannot be are refused before COLMAP runs', async () => {
  const few = await photographs('a.jpg', 'b.jpg');
  put(few, 'IMG_0001.HEIC', 'x');
  const { run } = pipeline(`stages:\n  - load: { photos: ${few} }\n  - init:\n`);
  await throwsInput(
    run,
    `${few}: has 2 photographs; expected at least 3`,
    'convert files such as IMG_0001.HEIC to JPEG',
  );
  put(few, 'c.jpg', 'no picture');
  await throwsInput(run, /c\.jpg: is not a supported image/);
  const other = await photographs(...NAMES);
  await throwsInput(
    () => run(`stages:\n  - sfm: { photos: ${other} }\n  - load: { photos: ${few} }\n`),
    /`load` needs `sfm` with `photos: .*`, and there it is/,
  );
  put(few, 'v.mp4', 'no video');
  await throwsInput(() => run(`stages:\n  - load: { video: ${few}/v.mp4 }\n  - init:\n`), /v\.mp4: /);
});

test('a stopped run ends COLMAP', async () => {
  process.env.FAKE_COLMAP = 'hang';
  const controller = new AbortController();
  const report = { ...recordingReport(), progress: () => controller.abort() };
  const photos = await photographs(...NAMES);
  let name = '';
  await sfm(gpu, {}, { photos }, { report, signal: controller.signal }).catch((error) => {
    name = error.name;
  });
  assert.is(name, 'AbortError');
});

const WIDTH = 96;
const HEIGHT = 64;
/** A checkerboard of squares of 4 pixels, blurred by averaging over `blur` pixels. */
function board(blur: number, shift: number): Uint8Array {
  const rgba = new Uint8Array(4 * WIDTH * HEIGHT);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      let sum = 0;
      for (let k = 0; k < blur; k++) sum += ((x + k + shift) >> 2) % 2 === (y >> 2) % 2 ? 220 : 30;
      const grey = sum / blur;
      rgba.set([grey, grey, 0.5 * grey, 255], 4 * (y * WIDTH + x));
    }
  }
  return rgba;
}

/** Twelve frames; of each three, the one at `sharp` is not blurred. */
const SHARP = [1, 3, 8, 10];
async function video(format: 'mp4' | 'av1' | 'webm' = 'mp4'): Promise<string> {
  let file = '';
  const folder = scratchFolder();
  const write = async (path: string, bytes: Uint8Array | string) => void (file = put(folder, path, bytes));
  const about = { stem: 'walk', folder: 'frames', poster: 'poster', kind: 'rgb', fps: 24 } as const;
  const writer = await FILES[format].open({ write }, { ...about, width: WIDTH, height: HEIGHT });
  for (let i = 0; i < 12; i++) {
    await writer.add(i420Bytes(board(SHARP.includes(i) ? 1 : 5, i), WIDTH, HEIGHT), String(i));
  }
  await writer.finish();
  return file;
}

for (const format of ['mp4', 'av1', 'webm'] as const) {
  test(`of a video, the sharpest frame of each interval: ${format}`, () => sharpestFrames(format));
}

async function sharpestFrames(format: 'mp4' | 'av1' | 'webm'): Promise<void> {
  const file = await video(format);
  const folder = scratchFolder();
  const report = recordingReport();
  const names = await extractFrames(file, { frames: 4, folder, report });
  assert.equal(names, ['frame-0001.jpg', 'frame-0002.jpg', 'frame-0003.jpg', 'frame-0004.jpg']);
  for (const [i, name] of names.entries()) {
    const { data, info } = await sharp(join(folder, name)).raw().toBuffer({ resolveWithObject: true });
    assert.equal([info.width, info.height, info.channels], [WIDTH, HEIGHT, 3]);
    const expected = board(1, SHARP[i]);
    let error = 0;
    for (let p = 0; p < WIDTH * HEIGHT; p++) error += Math.abs(data[3 * p] - expected[4 * p]);
    assert.ok(
      error / (WIDTH * HEIGHT) < 20,
      `${name} is another frame: mean error ${error / (WIDTH * HEIGHT)}`,
    );
  }
  assert.equal(report.steps, [1, 2, 3, 4]);
}

/** The same video, which a player turns by 90° clockwise. */
async function turned(file: string): Promise<string> {
  const input = new Input({ source: new FilePathSource(file), formats: ALL_FORMATS });
  const track = (await input.getPrimaryVideoTrack())!;
  const output = new Output({ format: new Mp4OutputFormat(), target: new BufferTarget() });
  const source = new EncodedVideoPacketSource('avc');
  output.addVideoTrack(source, { rotation: 90 });
  await output.start();
  const decoderConfig = (await track.getDecoderConfig())!;
  for await (const packet of new EncodedPacketSink(track).packets())
    await source.add(packet, { decoderConfig });
  await output.finalize();
  return put(scratchFolder(), 'turned.mp4', new Uint8Array(output.target.buffer!));
}

test('frames are turned as a player shows them', async () => {
  const [folder, upright] = [scratchFolder(), scratchFolder()];
  const file = await video();
  await extractFrames(file, { frames: 4, folder: upright, report: silent });
  const [name] = await extractFrames(await turned(file), { frames: 4, folder, report: silent });
  const expected = await sharp(join(upright, name)).rotate(90).raw().toBuffer();
  const { data, info } = await sharp(join(folder, name)).raw().toBuffer({ resolveWithObject: true });
  assert.equal([info.width, info.height], [HEIGHT, WIDTH]);
  const error = data.reduce((sum, value, i) => sum + Math.abs(value - expected[i]), 0) / data.length;
  assert.ok(error < 3, `mean error ${error}`);
});

test('sharpness is the variance of the Laplacian', () => {
  const data = Uint8Array.from([9, 9, 9, 9, 9, 9, 9, 9, 19, 9, 9, 9]); // [3, 4], inner pixels (1, 1) and (1, 2)
  const grey = { data, width: 4, height: 3 };
  assert.is(sharpnessOf(grey), 0, 'a corner is no neighbour of an inner pixel');
  data[5] = 19; // Laplacians −40 and 10
  assert.is(sharpnessOf(grey), (40 ** 2 + 10 ** 2) / 2 - 15 ** 2);
});

test('load of a video trains on its frames', async () => {
  const file = await video();
  const { run } = pipeline(`stages:\n  - load: { video: ${file}, frames: 4 }\n  - init:\n`);
  const first = await run();
  assert.equal(first.ran, ['sfm', 'init']);
  assert.match(
    first.notes,
    /4 frames, the sharpest of each interval[\s\S]*sequential matching[\s\S]*3 train and 1 test views, 96×64/,
  );
  assert.equal(
    (await run(`stages:\n  - load: { path: ${file}, frames: 4, downscale: 2 }\n  - init:\n`)).ran,
    ['init'],
  );
});

test('the pipelines of docs/inputs.md run', async () => {
  const text = readFileSync(new URL('../docs/inputs.md', import.meta.url), 'utf8');
  const examples = [...text.matchAll(/^( *)```yaml\n( *stages:\n[\s\S]*?)^\1```$/gm)].map(
    ([, , yaml]) => yaml,
  );
  const [shots, walk] = [await photographs(...NAMES), await video()];
  const found: string[] = [];
  for (const example of examples) {
    const placed = example.replaceAll(/\b(shots|walk\.mp4)\b/g, (name) => (name === 'shots' ? shots : walk));
    const { read, run, out } = pipeline(placed);
    const plan = await planRun(await read(), { out, gpu });
    assert.equal(
      plan.slice(0, 3).map(({ id, does }) => `${id} ${does}`),
      ['sfm run', 'load run', 'init run'],
    );
    const { ran, notes } = await run(placed, { until: 'init' });
    assert.equal(ran, ['sfm', 'init']);
    found.push(/\w+ matching/.exec(notes)![0]);
  }
  assert.equal(found, ['exhaustive matching', 'sequential matching', 'sequential matching']);
});

test.run();
