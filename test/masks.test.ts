/** Masks and alpha: where they are found, what `load` makes of them, and that what is masked has no influence. */
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { releaseDataset } from '../stages/artefacts/dataset.ts';
import { GAUSSIAN_PARAMETERS, releaseGaussians } from '../stages/artefacts/gaussians.ts';
import { init } from '../stages/init/stage.ts';
import { type LoadInput, load, loadOptions, loadStage } from '../stages/load/stage.ts';
import { createState } from '../stages/optimizer/state.ts';
import { score } from '../stages/score/stage.ts';
import { stageReads } from '../stages/stage.ts';
import { removeOutsideMasks } from '../stages/train/outside-masks.ts';
import { train } from '../stages/train/stage.ts';
import type { Gpu } from '../wgsl/core/index.ts';
import { insideMasks } from '../wgsl/splat/edit/outside-masks.ts';
import { tinyCapture, writeCapture } from './helpers/colmap.ts';
import { withGpu } from './helpers/gpu.ts';
import { uniform } from './helpers/numbers.ts';
import { recordingReport } from './helpers/report.ts';
import { put } from './helpers/scratch.ts';
import { throwsInput } from './helpers/throws.ts';
import { balls, ringDataset } from './helpers/tiny-scene.ts';
import * as reference from './reference/outside-masks.ts';

const [WIDTH, HEIGHT] = [64, 48];
const NAMES = tinyCapture().images.map(({ name }) => name);
const STEMS = NAMES.map((name) => name.replace('.png', ''));

/** A grey picture of one channel, by pixel. */
function mask(at: (x: number, y: number) => number, [width, height] = [WIDTH, HEIGHT]): Promise<Buffer> {
  const values = Uint8Array.from({ length: width * height }, (_, i) => at(i % width, Math.floor(i / width)));
  return sharp(values, { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer();
}

/** A photograph of a gradient whose right half is `under`. */
function photograph(under: [number, number, number], view: number): Promise<Buffer> {
  const rgb = new Uint8Array(3 * WIDTH * HEIGHT);
  for (let i = 0; i < WIDTH * HEIGHT; i++) {
    const [x, y] = [i % WIDTH, Math.floor(i / WIDTH)];
    rgb.set(x < WIDTH / 2 ? [8 * x, 5 * y, 20 * view] : under, 3 * i);
  }
  return sharp(rgb, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
    .png()
    .toBuffer();
}

/** Masks the right half. */
const leftHalf = () => mask((x) => (x < WIDTH / 2 ? 255 : 0));

async function halfCovered(under: [number, number, number]): Promise<string> {
  const colmap = await writeCapture(tinyCapture());
  for (const [i, name] of NAMES.entries()) {
    put(colmap, `images/${name}`, await photograph(under, i));
    put(colmap, `masks/${name}`, await leftHalf());
  }
  return colmap;
}

/** The bytes of a short training and its scores. */
async function outcome(gpu: Gpu, options: LoadInput, dssim: number) {
  const { dataset } = await load(gpu, {}, options);
  const start = await init(gpu, { dataset }, {});
  const steps = { steps: 24, cap: 12, budget: { refineStart: 0, refineEvery: 8 } };
  const gaussians = await train(gpu, { dataset, gaussians: start }, { ...steps, dssim });
  const buffers = await Promise.all(
    GAUSSIAN_PARAMETERS.map(async (name) => Buffer.from(await gpu.read(gaussians[name], 'test'))),
  );
  const { scores } = await score(gpu, { dataset, gaussians }, { metrics: ['psnr', 'ssim'] });
  for (const part of [start, gaussians]) releaseGaussians(part);
  releaseDataset(dataset);
  return { bytes: Buffer.concat(buffers), scores };
}

for (const masking of ['ignore', 'remove'] as const) {
  test(`what lies under the covered half has no influence on any byte: ${masking}`, () =>
    withGpu(async (gpu) => {
      const [red, noise] = [await halfCovered([255, 0, 0]), await halfCovered([3, 200, 90])];
      for (const dssim of masking === 'ignore' ? [0.2, 0] : [0.2]) {
        const one = await outcome(gpu, { colmap: red, masking }, dssim);
        const other = await outcome(gpu, { colmap: noise, masking }, dssim);
        assert.ok(one.bytes.length > 0 && one.bytes.equals(other.bytes));
        assert.equal(one.scores, other.scores);
        const over = masking === 'ignore' ? '2 held-out views, without masked pixels' : '2 held-out views';
        assert.is(one.scores[0].over, over);
      }
      // Without masks it does.
      const [a, b] = [await outcome(gpu, { colmap: red }, 0.2), await outcome(gpu, { colmap: noise }, 0.2)];
      assert.not(a.bytes.equals(b.bytes));
    }));
}

/** The stored pixels of the first view, as rows of `r,g,b,a`. */
async function pixelsOf(gpu: Gpu, options: LoadInput) {
  const { dataset } = await load(gpu, {}, options);
  const [{ image, masking, camera }] = dataset.views;
  const bytes = new Uint8Array(await gpu.read(image!, 'test', 4 * camera.width * camera.height));
  const at = (x: number, y: number) => [...bytes.subarray(4 * (y * camera.width + x)).subarray(0, 4)];
  const maskings = dataset.views.map((view) => view.masking);
  releaseDataset(dataset);
  return { at, masking, maskings };
}

test('masks are found by both names, before the picture’s own alpha; alpha is premultiplied', () =>
  withGpu(async (gpu) => {
    const colmap = await writeCapture(tinyCapture());
    const clear = { r: 200, g: 100, b: 50, alpha: 0.4 };
    const seeThrough = sharp({ create: { width: WIDTH, height: HEIGHT, channels: 4, background: clear } });
    put(colmap, `images/${NAMES[0]}`, await seeThrough.png().toBuffer());
    const remove = await pixelsOf(gpu, { colmap, masking: 'remove' });
    assert.equal(remove.at(3, 3), [80, 40, 20, 102]);
    assert.equal(remove.maskings, ['remove', ...new Array(8).fill(undefined)]);
    assert.equal((await pixelsOf(gpu, { colmap, masking: 'ignore' })).at(3, 3), [0, 0, 0, 0]);

    put(colmap, `matte/${STEMS[0]}.png`, await mask((x) => (x < 8 ? 255 : x < 16 ? 128 : 127)));
    const options = { colmap, masks: 'matte', masking: 'ignore' } as const;
    const ignore = await pixelsOf(gpu, options);
    assert.equal(
      [ignore.at(3, 3), ignore.at(12, 3), ignore.at(20, 3)],
      [
        [200, 100, 50, 255],
        [200, 100, 50, 255],
        [0, 0, 0, 0],
      ],
    );
    assert.equal((await pixelsOf(gpu, { ...options, masking: 'remove' })).at(12, 3), [100, 50, 25, 128]);
    // A reduced pixel that is partly masked is not compared.
    const reduced = await pixelsOf(gpu, { ...options, downscale: 64 / 5 });
    assert.equal([reduced.at(0, 0)[3], reduced.at(1, 0)[3] < 255, reduced.at(2, 0)[3]], [255, true, 0]);

    // COLMAP's name comes first, and the files belong to the key.
    put(colmap, `matte/${NAMES[0]}.png`, await mask(() => 0));
    assert.equal((await pixelsOf(gpu, options)).at(3, 3), [0, 0, 0, 0]);
    const files = async (more: LoadInput) => (await stageReads(loadStage, loadOptions.parse(more))).files!;
    const masks = (await files(options)).filter((file) => file.includes('matte'));
    assert.equal(masks, [join(colmap, 'matte', `${NAMES[0]}.png`)]);
    assert.is((await files({ colmap, masks: 'matte' })).length, (await files(options)).length - 1);
  }));

test('unused masks and pictures without masks are reported, and unusable masks are refused', () =>
  withGpu(async (gpu) => {
    const colmap = await writeCapture(tinyCapture());
    const preflight = (options: LoadInput) => loadStage.preflight!(loadOptions.parse(options));
    const before = gpu.liveBytes;
    await throwsInput(() => preflight({ colmap, masks: 'away', masking: 'ignore' }), 'away', 'set `masks`');
    await throwsInput(() => load(gpu, {}, { colmap, masking: 'ignore' }), 'finds no masks', 'masks/NAME.png');
    for (const name of NAMES.slice(0, 5)) put(colmap, `masks/${name}`, await leftHalf());
    const report = recordingReport();
    releaseDataset((await load(gpu, {}, { colmap }, { report })).dataset);
    assert.match(report.warnings[0], 'masks of 5 pictures are not used; load.masking uses them');
    releaseDataset((await load(gpu, {}, { colmap, masking: 'remove' }, { report })).dataset);
    assert.ok(report.notes.includes('masks of 5 of 9 pictures: remove'));

    put(colmap, `masks/${NAMES[2]}`, await mask(() => 255, [32, 24]));
    await throwsInput(() => load(gpu, {}, { colmap, masking: 'ignore' }), 'is 32×24', 'its picture is 64×48');
    put(colmap, `masks/${NAMES[2]}`, await mask((x) => x % 2));
    await throwsInput(() => load(gpu, {}, { colmap, masking: 'ignore' }), '1 as its largest value', '255');
    assert.is(gpu.liveBytes, before);
  }));

test('Gaussians outside the masks of half of the views that show them are removed', () =>
  withGpu(async (gpu, arena) => {
    const { views } = ringDataset();
    const count = 700; // several workgroups, and Gaussians behind and beside every camera
    const means = uniform(3 * count, 8, -4, 4);
    const masked = views.map(({ camera, name }, i) => {
      const alpha = Array.from({ length: 1600 }, (_, pixel) =>
        pixel % 40 < 12 + i ? (pixel % 2 ? 127 : 0) : 128 + i,
      );
      const words = Uint32Array.from(alpha, (value) => (value << 24) >>> 0);
      return { camera, alpha, photo: arena.upload(name, words, 'test') };
    });
    const given = { means: arena.upload('means', means, 'test'), count };
    const kept = await gpu.readWords(await insideMasks(arena, given, masked), 'test', count);
    const expected = reference.insideMasks(means, masked);
    assert.equal(Array.from(kept, Boolean), expected);
    const inside = expected.filter(Boolean).length;
    assert.ok(inside > 100 && inside < 600, `${inside}`);

    // In training: the balls that every mask shows stay, and one far outside goes.
    const state = createState(arena, balls(arena, 'balls'), 16);
    const photo = (alpha: number) =>
      arena.upload(
        'photo',
        new Uint32Array(1600).map((_, pixel) => ((pixel < 960 ? 255 : alpha) << 24) >>> 0),
        'test',
      );
    const before = await gpu.readFloats(state.parameters.means, 'test', 24);
    const opaque = views.map((view) => ({ ...view, image: photo(255) }));
    assert.is(await removeOutsideMasks(state, opaque), 0);
    // The lower part of each picture is masked: the blue balls lie there.
    const halves = views.map((view) => ({ ...view, image: photo(0) }));
    const removed = await removeOutsideMasks(state, halves);
    const after = await gpu.readFloats(state.parameters.means, 'test', 3 * state.count);
    assert.equal([removed, state.count], [6, 2]);
    assert.equal([...after], [...before.subarray(0, 6)]);
    const nothing = views.map((view) => ({
      ...view,
      image: arena.upload('none', new Uint32Array(1600), 'test'),
    }));
    await throwsInput(() => removeOutsideMasks(state, nothing), 'none of the 2 Gaussians', 'inverted');
  }));

test.run();
