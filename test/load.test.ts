import { linkSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cameraCenter } from '../stages/artefacts/camera.ts';
import { releaseDataset } from '../stages/artefacts/dataset.ts';
import { photosReader } from '../stages/load/readers/pictures.ts';
import { load, loadOptions, loadStage } from '../stages/load/stage.ts';
import { stageGives } from '../stages/stage.ts';
import { binaryModel, tinyCapture, writeCapture } from './helpers/colmap.ts';
import { testGpu, withGpu } from './helpers/gpu.ts';
import { recordingReport } from './helpers/report.ts';
import { put, scratchFolder } from './helpers/scratch.ts';
import { testWithData } from './helpers/shared-data.ts';
import { throwsInput } from './helpers/throws.ts';

const preflight = (options: object) => loadStage.preflight!(loadOptions.parse(options));

test('a capture: every picture is uploaded once, in order of names, and every 8th is held out', () =>
  withGpu(async (gpu) => {
    const colmap = await writeCapture(tinyCapture());
    const report = recordingReport();
    const before = gpu.liveBytes;
    const rows = () =>
      gpu.ledger.rows().find(({ purpose, direction }) => purpose === 'images' && direction === 'up');
    const sent = rows()?.bytes ?? 0;
    const { dataset, gaussians } = await load(gpu, {}, { colmap }, { report });
    assert.is(gaussians, undefined);
    const { views } = dataset;
    assert.equal(
      views.map(({ name }) => name),
      Array.from({ length: 9 }, (_, i) => `view ${i}.png`),
    );
    assert.equal(
      views.filter(({ split }) => split === 'test').map(({ name }) => name),
      ['view 0.png', 'view 8.png'],
    );
    for (const [i, { image }] of views.entries()) {
      assert.is(image!.label, `load/image/view ${i}.png`);
      const words = await gpu.readWords(image!, 'test');
      assert.is(words.length, 64 * 48);
      assert.ok(words.every((word) => word === (0xff000000 | ((16 * i) << 16) | (64 << 8) | 32) >>> 0));
    }
    assert.is(rows()!.bytes - sent, 9 * 4 * 64 * 48);
    assert.equal(report.notes, ['7 train and 2 test views, 64×48, 6 points']);
    assert.equal(report.warnings, []);
    assert.equal(report.steps, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    releaseDataset(dataset);
    releaseDataset(dataset);
    assert.is(gpu.liveBytes, before);
  }));

test('the cameras of a capture define up, centre and extent', () =>
  withGpu(async (gpu) => {
    const { dataset } = await load(gpu, {}, { colmap: await writeCapture(tinyCapture()), holdout: 0 });
    const { up, center, extent, views } = dataset;
    assert.ok(views.every(({ split }) => split === 'train'));
    const near = (a: readonly number[], b: readonly number[]) => a.every((v, i) => Math.abs(v - b[i]) < 1e-6);
    assert.ok(near(up, [0, -1, 0]), `${up}`);
    assert.ok(near(center, [0, 0, 0]), `${center}`);
    const centers = views.map(({ camera }) => cameraCenter(camera));
    for (const c of centers) assert.ok(Math.abs(Math.hypot(...c) - 4) < 1e-9);
    const mean = [0, 1, 2].map((k) => centers.reduce((sum, c) => sum + c[k], 0) / 9);
    const largest = Math.max(
      ...centers.map((c) => Math.hypot(c[0] - mean[0], c[1] - mean[1], c[2] - mean[2])),
    );
    assert.ok(Math.abs(extent - 1.1 * largest) < 1e-9);
    releaseDataset(dataset);
  }));

test('intrinsics follow the actual size of the picture, per axis, and downscale', () =>
  withGpu(async (gpu) => {
    const colmap = await writeCapture(tinyCapture(), { width: 128, height: 90 });
    const { dataset } = await load(gpu, {}, { colmap, downscale: 2 });
    const { width, height, fx, fy, cx, cy } = dataset.views[0].camera;
    assert.equal({ width, height, fx, cx }, { width: 64, height: 45, fx: 60, cx: 32 });
    assert.ok(Math.abs(fy - (62 * 45) / 48) < 1e-12 && Math.abs(cy - 22.5) < 1e-12);
    releaseDataset(dataset);
  }));

test('all missing files are listed at once, before anything runs', async () => {
  const colmap = await writeCapture(tinyCapture());
  await preflight({ colmap });
  for (const i of [2, 3, 5]) unlinkSync(join(colmap, 'images', `view ${i}.png`));
  await throwsInput(() => preflight({ colmap }), 'lacks 3 of the 9', 'view 2.png, view 3.png, view 5.png');
  await throwsInput(() => preflight({ colmap, images: 'photos' }), join(colmap, 'photos'), 'set `images`');
  const gpu = await testGpu();
  await throwsInput(() => load(gpu, {}, { colmap }), 'lacks 3 of the 9');
});

test('a picture that cannot be decoded stops the stage, and nothing stays on the GPU', async () => {
  const gpu = await testGpu();
  const colmap = await writeCapture(tinyCapture());
  const cut = await sharp({ create: { width: 64, height: 48, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  put(colmap, 'images/view 4.png', cut.subarray(0, 60));
  const before = gpu.liveBytes;
  await throwsInput(() => load(gpu, {}, { colmap }), 'view 4.png', 'cannot be decoded');
  assert.is(gpu.liveBytes, before);
});

test('photographs of many bytes are reported before they are decoded, with the option that makes them fewer', async () => {
  const gpu = await testGpu();
  const capture = tinyCapture();
  const cameras = [{ ...capture.cameras[0], width: 4000, height: 3000, params: [3750, 3875, 2000, 1500] }];
  const images = Array.from({ length: 200 }, (_, i) => ({
    ...capture.images[i % 9],
    id: i + 1,
    name: `${1000 + i}.png`,
  }));
  const colmap = await writeCapture({ ...capture, cameras, images: [] });
  const flat = sharp({ create: { width: 4000, height: 3000, channels: 3, background: 'gray' } });
  const first = put(colmap, 'images/1000.png', await flat.png().toBuffer());
  put(colmap, 'images/1001.png', 'damaged');
  for (const { name } of images.slice(2)) linkSync(first, join(colmap, 'images', name));
  const model = binaryModel({ ...capture, cameras, images });
  for (const [name, bytes] of Object.entries(model)) put(colmap, `sparse/0/${name}`, bytes);
  const report = recordingReport();
  await throwsInput(() => load(gpu, {}, { colmap }, { report }), '1001.png', 'is not a supported image');
  assert.equal(report.warnings, [
    '200 photographs take 8.9 GiB on the GPU; `load.downscale: 2` makes it 2.2 GiB',
  ]);
  assert.ok(report.steps.length < 8, 'they are decoded a few at a time');
});

test('photographs without cameras are counted as sfm takes them', async () => {
  const folder = scratchFolder();
  const flat = sharp({ create: { width: 8, height: 6, channels: 3, background: 'gray' } });
  const hidden = put(folder, '.a.png', await flat.png().toBuffer());
  assert.not(photosReader.recognises(folder), 'a hidden file only');
  put(folder, 'masks/b.png', await flat.png().toBuffer());
  const inspect = () => photosReader.inspect(folder, loadOptions.parse({ photos: folder }));
  await throwsInput(inspect, folder, 'has no photographs besides hidden files');
  symlinkSync(hidden, join(folder, 'b.png'));
  assert.equal(await inspect(), { facts: ['1 pictures of 8×6'], longerSide: 8 });
});

test('cameras that cannot be trained on, and splits without training views, are refused', async () => {
  const capture = tinyCapture();
  capture.cameras[0] = {
    id: 7,
    model: 'EUCM',
    width: 64,
    height: 48,
    params: [60, 60, 32, 24, 0.5, 1],
  };
  const colmap = await writeCapture(capture);
  await throwsInput(() => preflight({ colmap }), 'cameras.bin', 'camera 7 has the model EUCM');
  capture.cameras[0] = { id: 7, model: 'SIMPLE_FISHEYE', width: 64, height: 48, params: [20, 32, 24] };
  const wide = await writeCapture(capture);
  await throwsInput(() => preflight({ colmap: wide }), 'cameras.bin', 'SIMPLE_FISHEYE', 'at most 110°');
  const single = await writeCapture({ ...tinyCapture(), images: tinyCapture().images.slice(0, 1) });
  await throwsInput(() => preflight({ colmap: single }), 'holdout 8 leaves none of the 1 views');
  await preflight({ colmap: single, holdout: 0 });
});

test('cameras at one place and pictures with alpha are reported', () =>
  withGpu(async (gpu) => {
    const capture = tinyCapture();
    capture.images = capture.images.map((image) => ({
      ...image,
      quat: [1, 0, 0, 0],
      translation: [0, 0, 4],
    }));
    const colmap = await writeCapture(capture);
    const clear = { r: 9, g: 8, b: 7, alpha: 0.5 };
    const seeThrough = sharp({ create: { width: 64, height: 48, channels: 4, background: clear } });
    put(colmap, 'images/view 1.png', await seeThrough.png().toBuffer());
    const report = recordingReport();
    const { dataset } = await load(gpu, {}, { colmap }, { report });
    assert.is(dataset.extent, 4);
    assert.equal(
      dataset.center.map((value) => value + 0),
      [0, 0, 0],
    );
    assert.is(report.warnings.length, 2);
    assert.match(report.warnings[0], '1 pictures have an alpha channel');
    assert.match(report.warnings[1], 'all 9 cameras are at one position');
    releaseDataset(dataset);
  }));

test('the options accept exactly one source, which determines the outputs of the stage', () => {
  const refused = (options: object) => !loadOptions.safeParse(options).success;
  assert.ok(refused({}));
  assert.ok(refused({ colmap: 'a', ply: 'b' }));
  assert.ok(refused({ colmap: 'a', downscale: 0.5 }));
  assert.ok(refused({ colmap: 'a', downscle: 2 }));
  const gives = (options: object) => stageGives(loadStage, loadOptions.parse(options));
  assert.equal(gives({ colmap: 'a' }), ['dataset']);
  assert.equal(gives({ ply: 'a' }), ['dataset', 'gaussians']);
});

testWithData(test, 'fox', 'the fox: COLMAP saw it at twice the size', (colmap) =>
  withGpu(async (gpu) => {
    const report = recordingReport();
    const { dataset } = await load(gpu, {}, { colmap, downscale: 4 }, { report });
    assert.equal(report.warnings, []);
    assert.is(dataset.views.filter(({ split }) => split === 'test').length, 7);
    const { width, height, fx, cx } = dataset.views[0].camera;
    assert.equal([width, height, cx], [133, 237, 66.5]);
    assert.ok(Math.abs(fx - (687.2317 * 133) / 530) < 1e-3);
    releaseDataset(dataset);
  }),
);

test.run();
