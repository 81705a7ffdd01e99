import { createHash } from 'node:crypto';
import { PNG } from 'pngjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { preflight } from '../pipeline/run/stage-plan.ts';
import { cameraCenter, subtract, type Vec3 } from '../stages/artefacts/camera.ts';
import { releaseFrames } from '../stages/artefacts/frames.ts';
import { emptyGaussians, readGaussians, releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { encodePly } from '../stages/artefacts/gaussians-ply.ts';
import { type LoadInput, load, loadOptions, loadStage } from '../stages/load/stage.ts';
import { orbitOptions } from '../stages/orbit/options.ts';
import { fitRing, ringCameras } from '../stages/orbit/paths/ring.ts';
import { orbit, orbitStage } from '../stages/orbit/stage.ts';
import { type Known, type Report, type Stage, silent } from '../stages/stage.ts';
import { stylizeStage } from '../stages/stylize/stage.ts';
import { InputError } from '../wgsl/core/index.ts';
import { SplatRenderer } from '../wgsl/splat/renderer.ts';
import { withGpu } from './helpers/gpu.ts';
import { recordingReport } from './helpers/report.ts';
import { rejection } from './helpers/runner-bench.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import { project } from './reference/warp-error.ts';

const WIDTH = 64;
const HEIGHT = 36;
const SMALL = { frames: 5, fps: 10, size: [WIDTH, HEIGHT] as [number, number] };

/** Keeps the files that a stage writes. */
function folder() {
  const files = new Map<string, Uint8Array | string>();
  return {
    files,
    write: async (path: string, bytes: Uint8Array | string) => {
      files.set(path, bytes);
    },
  };
}

const pixel = (png: PNG, x: number, y: number) => [
  ...png.data.subarray(4 * (y * WIDTH + x), 4 * (y * WIDTH + x) + 3),
];

test('renders a turntable that looks at the scene, up side up', () =>
  withGpu(async (gpu, arena) => {
    const output = folder();
    const frames = await orbit(gpu, { dataset: ringDataset(), gaussians: balls(arena, 'now') }, SMALL, {
      output,
    });
    assert.equal([...output.files.keys()].sort(), [
      ...[0, 1, 2, 3, 4].map((i) => `frames/000${i}.png`),
      'path.svg',
      'turntable.mp4',
    ]);
    assert.equal(
      frames.frames.map(({ name }) => name),
      ['0000', '0001', '0002', '0003', '0004'],
    );
    assert.equal(frames.before, []);
    for (const { name, camera, color, depth } of frames.frames) {
      const png = PNG.sync.read(Buffer.from(output.files.get(`frames/${name}.png`) as Uint8Array));
      assert.equal([png.width, png.height], [WIDTH, HEIGHT]);
      const [red, green] = [pixel(png, 32, 18), pixel(png, 32, 9)];
      assert.ok(red[0] > 200 && red[1] < 60, `the red ball is in the middle: ${red}`);
      assert.ok(green[1] > 150 && green[0] < 60, `the green ball is above it: ${green}`);
      assert.equal(pixel(png, 1, 1), [0, 0, 0]);
      // The file shows the pixels that stay on the GPU.
      const words = await gpu.readWords(color, 'test');
      for (const [i, word] of words.entries()) assert.is(word & 0xffffff, png.data.readUIntLE(4 * i, 3));
      const z = await gpu.readFloats(depth, 'test');
      assert.ok(Math.abs(z[18 * WIDTH + 32] - Math.hypot(3, 0.5)) < 0.1, `depth ${z[18 * WIDTH + 32]}`);
      assert.is(z[WIDTH + 1], 0);
      assert.ok(Math.abs(Math.hypot(...cameraCenter(camera)) - Math.hypot(3, 0.5)) < 1e-6);
    }
    releaseFrames(frames);
  }));

test('the stage renders before and after, and compares them side by side', () =>
  withGpu(async (gpu, arena) => {
    const output = folder();
    const seen: string[] = [];
    const report: Report = { ...silent, progress: ({ step, steps }) => seen.push(`${step}/${steps}`) };
    gpu.ledger.stage = 'orbit-test';
    const { frames } = await orbitStage.run(
      gpu,
      { dataset: ringDataset(), gaussians: balls(arena, 'now', 0), base: balls(arena, 'base', 1) },
      orbitOptions.parse({ ...SMALL, outputs: ['color', 'compare'], background: 'white' }),
      { seed: 1, report, output },
    );
    gpu.ledger.stage = 'test';
    assert.ok(frames);
    assert.equal([frames.frames.length, frames.before.length], [5, 5]);
    assert.is(seen.at(-1), '15/15');
    const compare = output.files.get('compare.mp4') as Uint8Array;
    assert.is(new TextDecoder().decode(compare.subarray(4, 8)), 'ftyp');
    const middle = 18 * WIDTH + 32;
    const [now] = await gpu.readWords(frames.frames[2].color, 'test').then((words) => [words[middle]]);
    const [then] = await gpu.readWords(frames.before[2].color, 'test').then((words) => [words[middle]]);
    assert.ok((now & 255) < 60 && (then & 255) > 200);
    const wide = PNG.sync.read(Buffer.from(output.files.get('compare/0002.png') as Uint8Array));
    assert.equal([wide.width, wide.height], [2 * WIDTH, HEIGHT]);
    const sides = [frames.before[2], frames.frames[2]].map(({ color }) => gpu.readWords(color, 'test'));
    for (const [side, words] of (await Promise.all(sides)).entries()) {
      for (const [i, word] of words.entries()) {
        const at = 2 * WIDTH * Math.floor(i / WIDTH) + side * WIDTH + (i % WIDTH);
        assert.is(wide.data.readUIntLE(4 * at, 3), word & 0xffffff, `pixel ${i} of side ${side}`);
      }
    }
    const down = gpu.ledger.rows().filter((row) => row.stage === 'orbit-test' && row.direction === 'down');
    const bytes = (purpose: string) => down.find((row) => row.purpose === purpose)?.bytes ?? 0;
    const [rgba, planes] = [4 * WIDTH * HEIGHT, 1.5 * WIDTH * HEIGHT];
    assert.is(
      bytes('frames'),
      5 * (rgba + planes) + 10 * (rgba + planes),
      'files and turntable, two by five to compare',
    );
    assert.ok(bytes('metrics') < 4096);
    assert.equal(down.map((row) => row.purpose).sort(), ['frames', 'metrics']);
    releaseFrames(frames);
  }));

test('a splat loaded from a file is shown from all sides, even with few views', () =>
  withGpu(async (gpu, arena) => {
    const host = await readGaussians(gpu, balls(arena, 'now'), 'test');
    const ply = put(scratchFolder(), 'balls.ply', await encodePly(host));
    for (const views of [1, 2, 3, 5, 8]) {
      const { dataset, gaussians } = await load(gpu, {}, { ply, views, size: [40, 30] });
      const report = recordingReport();
      const { center } = dataset;
      const frames = await orbit(
        gpu,
        { dataset, gaussians: gaussians! },
        { ...SMALL, frames: 4 },
        { report },
      );
      assert.match(report.notes.join(), /^a full turn, /, `${views} views`);
      const eyes = frames.frames.map(({ camera }) => subtract(cameraCenter(camera), center));
      for (const [i, eye] of eyes.entries()) {
        const [next, opposite] = [eyes[(i + 1) % 4], eyes[(i + 2) % 4]];
        assert.ok(Math.abs(eye[0] * next[0] + eye[2] * next[2]) < 1e-6, 'a quarter of a turn each');
        assert.ok(Math.hypot(eye[0] + opposite[0], eye[2] + opposite[2]) < 1e-6, 'and opposite after two');
      }
      releaseFrames(frames);
      releaseGaussians(gaussians!);
    }
  }));

test('two runs give the same pixels and PNG bytes', () =>
  withGpu(async (gpu, arena) => {
    const scene = { dataset: ringDataset(), gaussians: balls(arena, 'now') };
    const [a, b] = [folder(), folder()];
    for (const output of [a, b])
      releaseFrames(await orbit(gpu, scene, { ...SMALL, files: ['png'] }, { output }));
    assert.is(a.files.size, 6, 'five pictures and path.svg');
    for (const [path, bytes] of a.files) assert.equal(bytes, b.files.get(path), path);
  }));

test('two runs give the same video, with or without pictures in files, and nothing stays on the GPU', () =>
  withGpu(async (gpu, arena) => {
    const scene = { dataset: ringDataset(), gaussians: balls(arena, 'now'), base: balls(arena, 'base', 0.5) };
    const live = gpu.liveBytes;
    const [a, b] = [folder(), folder()];
    const options = { ...SMALL, outputs: ['color' as const, 'compare' as const] };
    releaseFrames(await orbit(gpu, scene, options, { output: a }));
    releaseFrames(await orbit(gpu, scene, { ...options, files: ['mp4'] }, { output: b }));
    assert.is(gpu.liveBytes, live);
    assert.equal([...b.files.keys()], ['path.svg', 'turntable.mp4', 'compare.mp4']);
    for (const [path, bytes] of b.files) assert.equal(a.files.get(path), bytes, path);
  }));

test('pictures in flight at once equal those rendered one by one', () =>
  withGpu(async (gpu, arena) => {
    // Room for 65,536 intersections at first: these need more, so buffers grow while pictures are in flight.
    const splat = balls(arena, 'now');
    const large = { ...splat, logScales: arena.upload('large', new Float32Array(24).fill(3), 'test') };
    const cameras = ringCameras(
      fitRing({ ...ringDataset(), cameras: ringDataset().views.map(({ camera }) => camera) }, 'full'),
      { frames: 7, width: 1600, height: 900 },
    );
    const render = async (atOnce: boolean) => {
      const renderer = await SplatRenderer.create(gpu, 'test/renderer');
      const picture = arena.buffer('picture', 16 * 1600 * 900);
      const out = cameras.map((_, i) => arena.buffer(`out ${i}`, 16 * 1600 * 900));
      const all = cameras.map(
        (camera, i) => () =>
          renderer.render(i < 2 ? splat : large, camera, { color: picture }, {}, (recorder) =>
            recorder.copy(picture, out[i]),
          ),
      );
      if (atOnce) await Promise.all(all.map((one) => one()));
      else for (const one of all) await one();
      renderer.destroy();
      const hashes = [];
      for (const buffer of out) {
        const pixels = await gpu.read(buffer, 'test');
        hashes.push(createHash('sha256').update(new Uint8Array(pixels)).digest('hex'));
      }
      return hashes;
    };
    const [one, many] = [await render(false), await render(true)];
    assert.equal(many, one);
    assert.is(new Set(one).size, cameras.length, 'no two pictures are the same');
  }));

test('the path around the bounds shows the whole splat', () =>
  withGpu(async (gpu, arena) => {
    const dataset = { ...ringDataset(), center: [50, 0, 0] as Vec3 };
    const options = { ...SMALL, path: 'bounds' as const };
    const gaussians = balls(arena, 'now');
    const frames = await orbit(gpu, { dataset, gaussians }, options);
    const means = await gpu.readFloats(gaussians.means, 'test');
    for (const { camera, color } of frames.frames) {
      for (let i = 0; i < means.length; i += 3) {
        const { x, y, z } = project(camera, [...means.subarray(i, i + 3)]);
        assert.ok(z > 0 && x > 0 && x < WIDTH && y > 0 && y < HEIGHT, `a ball lies at ${x}, ${y}`);
      }
      const covered = (await gpu.readWords(color, 'test')).filter((word) => word >>> 24 > 200).length;
      assert.ok(covered > 60 && covered < 0.5 * WIDTH * HEIGHT, `${covered} pixels covered`);
    }
    releaseFrames(frames);
  }));

test('the path of views renders the training views as they are, and says that they are no sequence', () =>
  withGpu(async (gpu, arena) => {
    const scene = { dataset: ringDataset(), gaussians: balls(arena, 'now') };
    const frames = await orbit(gpu, scene, { path: 'views', size: [40, 40], frames: 3 });
    assert.is(frames.unordered, true);
    assert.equal(
      frames.frames.map(({ camera }) => camera),
      scene.dataset.views.map(({ camera }) => camera),
    );
    releaseFrames(frames);
  }));

test('too large a request is an error before any allocation, and failures free everything', () =>
  withGpu(async (gpu, arena) => {
    const scene = { dataset: ringDataset(), gaussians: balls(arena, 'now') };
    const live = gpu.liveBytes;
    const fails = async (options: Parameters<typeof orbit>[2], output = folder()) => {
      const error = await orbit(gpu, scene, options, { output }).then(
        () => new Error('it ran'),
        (error: Error) => error,
      );
      assert.is(gpu.liveBytes, live);
      return error;
    };
    const many = await fails({ frames: 3600, size: [1920, 1080], memory: 1 });
    assert.instance(many, InputError);
    assert.match(many.message, /3600 pictures.*lower orbit.frames or orbit.size, or raise orbit.memory/);
    const full = {
      ...folder(),
      write: async () => {
        throw new Error('the disk is full');
      },
    };
    assert.match((await fails(SMALL, full)).message, /the disk is full/);
  }));

test('impossible options are refused before anything runs', async () => {
  const refuses = async (options: object, pattern: RegExp, known?: Known) => {
    const error = await rejection((async () => orbitStage.preflight!(orbitOptions.parse(options), known))());
    assert.instance(error, InputError, error.message);
    assert.match(error.message, pattern);
  };
  await orbitStage.preflight!(orbitOptions.parse({ outputs: ['color', 'compare'] }));
  await refuses({ frames: 3600, size: [8192, 8192] }, /orbit.memory allows 4096 MiB/);
  await refuses(
    { frames: 1, size: [8192, 16], outputs: ['compare'], files: ['webp'] },
    /WebP holds up to 16383 pixels a side, found 16384×16/,
  );
  const poses = Array(2000).fill({
    camera_to_world: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    fov: 50,
  });
  const file = put(scratchFolder(), 'camera_path.json', JSON.stringify({ camera_path: poses }));
  await refuses({ path: { nerfstudio: { file } } }, /2000 pictures of 960×540 need/);
  const restyled = { frames: 700, outputs: ['compare'], files: ['webp'] };
  await orbitStage.preflight!(orbitOptions.parse(restyled));
  await refuses(restyled, /1400 pictures of 960×540 need/, { restyled: true });
});

test('sizes that follow from the capture are refused before anything runs', async () => {
  const limits = { maxBufferSize: 2 ** 29, maxStorageBufferBindingSize: 2 ** 29 };
  const check = async (loading: LoadInput, stage: Stage, options: object) => {
    const first = { stage: loadStage, options: loadOptions.parse(loading) };
    await preflight([first, { stage, options: stage.options.parse(options) }] as never, limits);
  };
  // At 16:9 it would fit: 16 · 6400 · 3600 bytes.
  const error = await rejection(
    check({ colmap: 'scenes/playbot' }, orbitStage as Stage, { size: 6400, frames: 1, files: ['png'] }),
  );
  assert.instance(error, InputError);
  assert.match(
    error.message,
    /^orbit\.size is too large: a picture of 6400×6400 needs 625 MiB .* allows 512 MiB/,
  );
  const ply = put(scratchFolder(), 'a.ply', await encodePly(emptyGaussians(1, 0)));
  await check({ ply, size: [5792, 5792] }, stylizeStage as Stage, { prompt: 'wood' });
  const views = await rejection(
    check({ ply, size: [5793, 5793] }, stylizeStage as Stage, { prompt: 'wood' }),
  );
  assert.match(views.message, /views of 5793×5793 need 513 MiB .*load\.size/);
});

test('options: odd sizes and unknown keys are mistakes', () => {
  assert.match(orbitOptions.safeParse({ size: [961, 540] }).error?.issues[0].message ?? '', /even/);
  assert.not(orbitOptions.safeParse({ frame: 3 }).success);
  assert.match(
    orbitOptions.safeParse({ files: ['png', 'png'] }).error?.issues[0].message ?? '',
    /a file twice/,
  );
  assert.is(orbitOptions.parse({}).size, 960);
});

test.run();
