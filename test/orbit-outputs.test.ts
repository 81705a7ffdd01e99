import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { releaseFrames } from '../stages/artefacts/frames.ts';
import type { Gaussians } from '../stages/artefacts/gaussians.ts';
import { FILE_NAMES } from '../stages/orbit/files/index.ts';
import type { OrbitInput } from '../stages/orbit/options.ts';
import { OUTPUT_NAMES } from '../stages/orbit/outputs/index.ts';
import { orbit, orbitStage } from '../stages/orbit/stage.ts';
import { type Arena, type Gpu, InputError } from '../wgsl/core/index.ts';
import { withGpu } from './helpers/gpu.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import { straightAlpha } from './reference/frame-pictures.ts';

const WIDTH = 64;
const HEIGHT = 36;
const SMALL = { frames: 3, fps: 10, size: [WIDTH, HEIGHT] as [number, number] };
const FRAMES = ['0000', '0001', '0002'];
/** The red ball. */
const MIDDLE = 18 * WIDTH + 32;
/** No ball. */
const CORNER = WIDTH + 1;

/** Renders the scene, and returns its files by path with the pixels of the frames. */
async function written(gpu: Gpu, arena: Arena, options: OrbitInput, base?: Gaussians) {
  const files = new Map<string, Uint8Array>();
  const write = async (path: string, bytes: Uint8Array | string) => {
    assert.not(files.has(path), `${path} is written twice`);
    files.set(path, Buffer.from(bytes));
  };
  const scene = { dataset: ringDataset(), gaussians: balls(arena, 'now'), base };
  const live = gpu.liveBytes;
  const frames = await orbit(gpu, scene, { ...SMALL, ...options }, { output: { write } });
  const colors: Uint32Array[] = [];
  const depths: Float32Array[] = [];
  for (const { color, depth } of frames.frames) {
    colors.push(await gpu.readWords(color, 'test'));
    depths.push(await gpu.readFloats(depth, 'test'));
  }
  releaseFrames(frames);
  assert.is(gpu.liveBytes, live, 'nothing stays on the GPU');
  return { files, colors, depths };
}

/** Channels as they are in the file, without a conversion. */
async function pixels(png: Uint8Array, depth: 'uchar' | 'ushort' = 'uchar') {
  const { channels, space } = await sharp(png).metadata();
  const { data } = await sharp(png)
    .toColourspace(space!)
    .raw({ depth })
    .toBuffer({ resolveWithObject: true });
  return { channels, values: depth === 'uchar' ? data : new Uint16Array(Uint8Array.from(data).buffer) };
}

test('every output in PNG has its channels and its values', () =>
  withGpu(async (gpu, arena) => {
    const outputs = OUTPUT_NAMES.filter((name) => name !== 'compare');
    const options = {
      outputs,
      files: ['png' as const],
      background: [0.2, 0.4, 0.6] as [number, number, number],
    };
    const { files, colors, depths } = await written(gpu, arena, options);
    const folders = ['frames', 'rgba', 'depth', 'depth-preview', 'normal', 'alpha'];
    assert.equal(
      [...files.keys()].sort(),
      [
        ...folders.flatMap((folder) => FRAMES.map((name) => `${folder}/${name}.png`)),
        'depth/depth.json',
        'path.svg',
      ].sort(),
    );
    const notes = JSON.parse(new TextDecoder().decode(files.get('depth/depth.json')));
    assert.equal(
      notes.frames.map(({ name }: { name: string }) => name),
      FRAMES,
    );
    assert.ok(notes.preview.bright < notes.preview.dark);
    for (const [i, name] of FRAMES.entries()) {
      const rgba = await pixels(files.get(`rgba/${name}.png`)!);
      assert.is(rgba.channels, 4);
      const expected = straightAlpha(colors[i], options.background);
      assert.ok(rgba.values.every((value, at) => Math.abs(value - expected[at]) <= 0.51));
      assert.equal([...rgba.values.subarray(4 * CORNER, 4 * CORNER + 4)], [0, 0, 0, 0]);

      const alpha = await pixels(files.get(`alpha/${name}.png`)!);
      assert.is(alpha.channels, 1);
      assert.equal(
        [...alpha.values],
        [...colors[i]].map((word) => word >>> 24),
      );

      const units = await pixels(files.get(`depth/${name}.png`)!, 'ushort');
      assert.is(units.channels, 1);
      assert.is(units.values[CORNER], 0);
      for (const [at, z] of depths[i].entries()) {
        const found = units.values[at] * notes.unit;
        if (colors[i][at] >>> 24 < 128) assert.is(found, 0);
        else assert.ok(Math.abs(found - z) < 0.6 * notes.unit, `depth ${found} instead of ${z}`);
      }
      assert.is(notes.unit, 1e-4, 'the farthest surface, at 3.4 or more, fits 16 bits');

      const preview = await pixels(files.get(`depth-preview/${name}.png`)!);
      assert.equal([...preview.values.subarray(3 * CORNER, 3 * CORNER + 3)], [0, 0, 0]);
      assert.ok(preview.values[3 * MIDDLE] + preview.values[3 * MIDDLE + 1] > 100);

      const normal = await pixels(files.get(`normal/${name}.png`)!);
      assert.is(normal.channels, 3);
      assert.equal([...normal.values.subarray(3 * CORNER, 3 * CORNER + 3)], [0, 0, 0]);
      const [x, y, z] = [0, 1, 2].map((c) => normal.values[3 * MIDDLE + c] / 127.5 - 1);
      assert.ok(Math.abs(Math.hypot(x, y, z) - 1) < 0.02 && z > 0, `normal ${[x, y, z]}`);
    }
  }));

test('every output is written in the files that hold its pixels, and repeats', () =>
  withGpu(async (gpu, arena) => {
    const options = { outputs: OUTPUT_NAMES, files: FILE_NAMES, frames: 2 };
    const [first, second] = [await written(gpu, arena, options), await written(gpu, arena, options)];
    const names = [...first.files.keys()];
    const files = (stem: string, ends: string[], poster = `${stem}-poster`) => [
      ...ends.map((end) => `${stem}${end}`),
      `${poster}.png`,
    ];
    const videos = ['.mp4', '-av1.mp4', '.webm', '.webp'];
    assert.equal(
      names.filter((name) => !name.includes('/')).sort(),
      [
        'path.svg',
        ...files('turntable', videos, 'poster'),
        ...files('rgba', ['.webp']),
        ...['depth-preview', 'normal', 'alpha'].flatMap((stem) => files(stem, videos)),
      ].sort(),
      'nothing restyled the splat: no compare',
    );
    for (const [path, bytes] of first.files) assert.equal(second.files.get(path), bytes, path);
    assert.equal(first.files.get('poster.png'), first.files.get('frames/0000.png'));
  }));

test('only what is written is read back', () =>
  withGpu(async (gpu, arena) => {
    const outputs = ['color' as const, 'depth' as const, 'normal' as const];
    gpu.ledger.stage = 'written';
    await written(gpu, arena, { outputs, files: ['png', 'poster'] });
    gpu.ledger.stage = 'test';
    const down = gpu.ledger.rows().filter((row) => row.stage === 'written' && row.direction === 'down');
    const bytes = (purpose: string) => down.find((row) => row.purpose === purpose)?.bytes ?? 0;
    // Three outputs of four bytes a pixel, and depth of two. The poster is the first PNG's pixels.
    assert.is(bytes('frames'), 3 * (3 * 4 + 2) * WIDTH * HEIGHT);
    assert.ok(bytes('metrics') < 40_000, `${bytes('metrics')} bytes of counters`);
  }));

test('an output that no file can hold is refused', async () => {
  const options = { outputs: ['depth' as const, 'rgba' as const], files: ['mp4' as const] };
  const error = await orbitStage.preflight!(orbitStage.options.parse(options)).then(
    () => new Error('it passed'),
    (error: Error) => error,
  );
  assert.instance(error, InputError);
  assert.match(
    error.message,
    /orbit\.outputs: rgba is in none of the files mp4; add one of png, webp, poster to orbit\.files/,
  );
});

test('a failure in any output frees everything', () =>
  withGpu(async (gpu, arena) => {
    const scene = { dataset: ringDataset(), gaussians: balls(arena, 'now') };
    const live = gpu.liveBytes;
    const outputs = ['color' as const, 'depth' as const, 'normal' as const];
    for (const failing of ['frames/0001.png', 'depth/depth.json', 'depth-preview.mp4', 'normal/0002.png']) {
      const write = async (path: string) => {
        if (path === failing) throw new Error(`no room for ${path}`);
      };
      const options = { ...SMALL, outputs, files: ['png' as const, 'mp4' as const] };
      const error = await orbit(gpu, scene, options, { output: { write } }).then(
        () => new Error('it ran'),
        (error: Error) => error,
      );
      assert.is(error.message, `no room for ${failing}`);
      assert.is(gpu.liveBytes, live, failing);
    }
  }));

test('a splat that nothing shows has a depth of 0 everywhere', () =>
  withGpu(async (gpu, arena) => {
    const files = new Map<string, Uint8Array>();
    const write = async (path: string, bytes: Uint8Array | string) =>
      void files.set(path, Buffer.from(bytes));
    const splat = balls(arena, 'now');
    const gone = { ...splat, opacityLogits: arena.upload('gone', new Float32Array(8).fill(-9), 'test') };
    const options = { ...SMALL, outputs: ['depth' as const], files: ['png' as const] };
    releaseFrames(
      await orbit(gpu, { dataset: ringDataset(), gaussians: gone }, options, { output: { write } }),
    );
    const { values } = await pixels(files.get('depth/0000.png')!, 'ushort');
    assert.ok(values.every((value) => value === 0));
    assert.ok(JSON.parse(new TextDecoder().decode(files.get('depth/depth.json'))).unit > 0);
  }));

test('the example of docs/outputs.md runs, and writes what the tables say', () =>
  withGpu(async (gpu, arena) => {
    const text = await readFile(new URL('../docs/outputs.md', import.meta.url), 'utf8');
    const section = text.slice(text.indexOf('## Pictures and videos of `orbit`'));
    const [{ orbit: options }] = parse(section.match(/```yaml\n([^`]*)```/)![1]);
    const { files } = await written(gpu, arena, { ...options, size: [WIDTH, HEIGHT], frames: 3 });
    for (const path of [
      'frames/0000.png',
      'depth/0000.png',
      'turntable.mp4',
      'turntable.webm',
      'turntable.webp',
      'poster.png',
      'normal.mp4',
      'depth-preview.mp4',
    ])
      assert.ok(files.has(path), path);
    for (const name of [...OUTPUT_NAMES, ...FILE_NAMES])
      assert.match(section, new RegExp(`^\\| \`${name}\` \\|`, 'm'), `${name} has no row`);
  }));

test.run();
