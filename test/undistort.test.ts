import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resizeCamera } from '../stages/artefacts/camera.ts';
import { releaseDataset } from '../stages/artefacts/dataset.ts';
import { calibrationOf } from '../stages/load/colmap/cameras.ts';
import { readModel } from '../stages/load/colmap/model.ts';
import { foldRadius, undistort } from '../stages/load/lens.ts';
import { load, loadOptions } from '../stages/load/stage.ts';
import { undistortedCamera } from '../stages/load/undistorted-camera.ts';
import { type Gpu, random4 } from '../wgsl/core/index.ts';
import { type Lens, Undistorter } from '../wgsl/image/undistort.ts';
import { tinyCapture, writeCapture } from './helpers/colmap.ts';
import { COLMAP_VALUES } from './helpers/colmap-cameras.ts';
import { withGpu } from './helpers/gpu.ts';
import { put } from './helpers/scratch.ts';
import { testWithData } from './helpers/shared-data.ts';
import { type Rgba8, undistortPicture } from './reference/undistort.ts';

const scaled = ({ camera }: (typeof COLMAP_VALUES)[number], width: number, height: number) => {
  const params = camera.params.map((value) => (value > 100 ? (value * width) / camera.width : value));
  return calibrationOf({ ...camera, width, height, params }, 'cameras.bin');
};

async function onGpu(
  gpu: Gpu,
  photo: Rgba8,
  lens: Lens,
  to: ReturnType<typeof undistortedCamera>,
  blanks = false,
) {
  const { width, height } = photo;
  const undistorter = await Undistorter.create(gpu, { blanks });
  const from = gpu.upload('photo', photo.rgba, 'test');
  const rgba8 = gpu.buffer('rgba8', 4 * to.width * to.height);
  undistorter.run({ photo: from, width, height, lens }, { ...to, rgba8 });
  const bytes = new Uint8Array(await gpu.read(rgba8, 'test', 4 * to.width * to.height));
  for (const buffer of [from, rgba8]) buffer.destroy();
  return bytes;
}

test('pictures of noise match the reference to the rounding, for every model', () =>
  withGpu(async (gpu) => {
    const [width, height] = [61, 46]; // no multiple of the workgroup
    const rgba = Uint8Array.from(
      { length: 4 * width * height },
      (_, i) => 256 * random4(5, 'noise', 0, i)[0],
    );
    for (const values of COLMAP_VALUES) {
      const { lens } = scaled(values, width, height);
      // Wider than the photograph, so that its border is met.
      const pinhole = { fx: lens.fx, fy: lens.fy, cx: 45.5, cy: 35 };
      const to = { width: 90, height: 70, pinhole };
      const expected = undistortPicture({ width, height, rgba }, lens, to);
      const got = await onGpu(gpu, { width, height, rgba }, lens, to);
      let worst = 0;
      for (const [i, value] of got.entries()) worst = Math.max(worst, Math.abs(value - expected[i]));
      assert.ok(worst < 0.52, `${values.camera.model}: ${worst}`);
    }
  }));

test('pixels that do not exist are 0: outside of the photograph, and beyond the fold of a lens', () =>
  withGpu(async (gpu) => {
    const [width, height] = [61, 46];
    const rgba = Uint8Array.from({ length: 4 * width * height }, (_, i) => 1 + ((37 * i) % 255));
    const folded = calibrationOf(
      { id: 3, model: 'SIMPLE_RADIAL', width, height, params: [40, 30, 23, -0.6] },
      'cameras.bin',
    );
    const lenses = [...COLMAP_VALUES.map((values) => scaled(values, width, height)), folded].map(
      ({ lens }) => lens,
    );
    for (const plain of lenses) {
      const lens = { ...plain, foldRadius: foldRadius(plain, 2) };
      const pinhole = { fx: lens.fx / 2, fy: lens.fy / 2, cx: 45.5, cy: 35 };
      const to = { width: 90, height: 70, pinhole };
      const expected = undistortPicture({ width, height, rgba }, lens, to, true);
      const got = await onGpu(gpu, { width, height, rgba }, lens, to, true);
      let [worst, blank, known] = [0, 0, 0];
      for (const [i, value] of got.entries()) {
        if (Number.isNaN(expected[i])) continue;
        known++;
        if (expected[i] === 0) blank++;
        worst = Math.max(worst, Math.abs(value - expected[i]));
      }
      assert.ok(worst < 0.52, `${JSON.stringify(lens)}: ${worst}`);
      assert.ok(
        known > 0.99 * got.length && blank > 0.2 * known && blank < 0.9 * known,
        `${blank} of ${known}`,
      );
    }
  }));

/** A smooth scene at infinity, as a function of the ray. */
function scene(u: number, v: number): number[] {
  return [0, 1, 2].map((k) => 127.5 + 110 * Math.sin(3 * u + k) * Math.cos(2.5 * v - 0.7 * k));
}

function photograph(
  width: number,
  height: number,
  rayOf: (x: number, y: number) => readonly number[],
): Rgba8 {
  const rgba = new Uint8Array(4 * width * height).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = rayOf(x + 0.5, y + 0.5);
      scene(u, v).forEach((value, k) => {
        rgba[4 * (y * width + x) + k] = Math.round(value);
      });
    }
  }
  return { width, height, rgba };
}

test('distorted pictures of a scene come back to its pinhole picture within 1/255', () =>
  withGpu(async (gpu) => {
    const [width, height] = [128, 96];
    for (const values of COLMAP_VALUES) {
      const calibration = scaled(values, width, height);
      const { lens } = calibration;
      const to = undistortedCamera(calibration);
      const photo = photograph(width, height, (x, y) => undistort(lens, x, y)!);
      const got = await onGpu(gpu, photo, lens, to);
      const { fx, fy, cx, cy } = to.pinhole;
      const expected = photograph(to.width, to.height, (x, y) => [(x - cx) / fx, (y - cy) / fy]);
      const error = meanDifference(got, expected.rgba);
      assert.ok(error < 1, `${values.camera.model}: ${error} of 255`);
    }
  }));

/** A capture of the scene by a fisheye. */
async function fisheyeCapture() {
  const capture = tinyCapture();
  capture.cameras[0] = {
    id: 7,
    model: 'OPENCV_FISHEYE',
    width: 64,
    height: 48,
    params: [44, 45, 31, 25, -0.02, 0.01, 0, 0],
  };
  const calibration = calibrationOf(capture.cameras[0], 'cameras.bin');
  const colmap = await writeCapture(capture);
  const photo = photograph(64, 48, (x, y) => undistort(calibration.lens, x, y)!);
  const raw = { raw: { width: 64, height: 48, channels: 4 as const } };
  for (const { name } of capture.images) {
    put(colmap, `images/${name}`, await sharp(photo.rgba, raw).removeAlpha().png().toBuffer());
  }
  return { colmap, calibration, photo, names: capture.images.map(({ name }) => name) };
}

test('load keeps blank pixels, which are masked, also by masks', () =>
  withGpu(async (gpu) => {
    const { colmap, calibration, names } = await fisheyeCapture();
    const to = undistortedCamera(calibration, 1);
    assert.ok(to.width > undistortedCamera(calibration).width);
    const pixels = async (options: object) => {
      const { dataset } = await load(gpu, {}, { colmap, ...options });
      const [{ camera, image, masking }] = dataset.views;
      assert.is(masking, 'ignore');
      const bytes = new Uint8Array(await gpu.read(image!, 'test', 4 * camera.width * camera.height));
      releaseDataset(dataset);
      return { camera, bytes };
    };
    const { camera, bytes } = await pixels({ blankPixels: 1 });
    assert.equal([camera.width, camera.height, camera.cx], [to.width, to.height, to.pinhole.cx]);
    const { fx, fy, cx, cy } = to.pinhole;
    const expected = photograph(to.width, to.height, (x, y) => [(x - cx) / fx, (y - cy) / fy]);
    let [sum, kept] = [0, 0];
    for (let i = 0; i < bytes.length; i += 4) {
      assert.ok(bytes[i + 3] === 255 || bytes.subarray(i, i + 4).every((value) => value === 0));
      if (bytes[i + 3] === 0) continue;
      kept++;
      for (let c = 0; c < 3; c++) sum += Math.abs(bytes[i + c] - expected.rgba[i + c]) / 3;
    }
    assert.ok(sum / kept < 1, `${sum / kept} of 255`);
    const alpha = (x: number, y: number) => bytes[4 * (y * to.width + x) + 3];
    assert.is(alpha(0, 0), 0);
    assert.is(alpha(to.width >> 1, to.height >> 1), 255);
    assert.ok(kept > 0.6 * to.width * to.height && kept < 0.99 * to.width * to.height, `${kept}`);

    const half = Uint8Array.from({ length: 64 * 48 }, (_, i) => (i % 64 < 32 ? 255 : 0));
    const mask = await sharp(half, { raw: { width: 64, height: 48, channels: 1 } })
      .png()
      .toBuffer();
    for (const name of names) put(colmap, `masks/${name}`, mask);
    const masked = await pixels({ blankPixels: 1, masking: 'ignore' });
    const inLeft = (i: number) => (i >> 2) % to.width < to.width / 2 - 2;
    const inRight = (i: number) => (i >> 2) % to.width > to.width / 2 + 2;
    for (let i = 3; i < bytes.length; i += 4) {
      if (inLeft(i)) assert.is(masked.bytes[i], bytes[i]);
      if (inRight(i)) assert.is(masked.bytes[i], 0);
    }
    const refused = loadOptions.safeParse({ colmap, blankPixels: 0.5, masking: 'remove' });
    assert.match(String(refused.error), 'expected 0 with masking remove');
  }));

test('load undistorts at full size, then reduces', () =>
  withGpu(async (gpu) => {
    const { colmap, calibration, photo } = await fisheyeCapture();
    const to = undistortedCamera(calibration);
    assert.ok(to.width > 64);
    const before = gpu.liveBytes;
    const { dataset } = await load(gpu, {}, { colmap });
    const [{ camera, image }] = dataset.views;
    assert.equal(camera, { width: to.width, height: to.height, ...to.pinhole, viewmat: camera.viewmat });
    const full = new Uint8Array(await gpu.read(image!, 'test', 4 * to.width * to.height));
    assert.equal(full, await onGpu(gpu, photo, calibration.lens, to));
    assert.is(
      gpu.liveBytes - before,
      dataset.views.reduce((sum, view) => sum + view.image!.size, 0),
    );
    releaseDataset(dataset);

    const { dataset: small } = await load(gpu, {}, { colmap, downscale: 2 });
    const view = small.views[0];
    const { width, height, fx, cy } = view.camera;
    assert.equal([width, height], [Math.round(to.width / 2), Math.round(to.height / 2)]);
    assert.ok(Math.abs(fx - (to.pinhole.fx * width) / to.width) < 1e-9);
    assert.ok(Math.abs(cy - (to.pinhole.cy * height) / to.height) < 1e-9);
    const half = new Uint8Array(await gpu.read(view.image!, 'test', 4 * width * height));
    const expected = photograph(width, height, (x, y) => [
      (x - view.camera.cx) / fx,
      (y - cy) / view.camera.fy,
    ]);
    assert.ok(meanDifference(half, expected.rgba) < 1);
    releaseDataset(small);
    assert.is(gpu.liveBytes, before);
  }));

testWithData(test, 'fern_raw', 'the fern: cameras and pictures are those that COLMAP undistorted', (colmap) =>
  withGpu(async (gpu) => {
    const { dataset } = await load(gpu, {}, { colmap });
    const { dataset: undistorted } = await load(gpu, {}, { colmap: join(colmap, '../fern') });
    for (const [i, { name, camera }] of dataset.views.entries()) {
      const { viewmat, ...expected } = undistorted.views[i].camera;
      assert.is(name, undistorted.views[i].name);
      for (const [key, value] of Object.entries(expected)) {
        assert.ok(Math.abs(camera[key as keyof typeof expected] - value) < 1e-9, `${name}: ${key}`);
      }
      viewmat.forEach((value, k) => {
        assert.ok(Math.abs(camera.viewmat[k] - value) < 1e-9, `${name}: ${camera.viewmat}`);
      });
    }
    // COLMAP 3.8 resamples twice: at the size of the photograph, and from there to the final size. A shift by half a pixel makes 6/255.
    const [{ name, camera, image }] = undistorted.views;
    const model = await readModel(colmap);
    const { lens, width, height } = calibrationOf(model.cameras.get(1)!, 'cameras.bin');
    const raw = await sharp(join(colmap, 'images', name))
      .ensureAlpha()
      .raw()
      .toBuffer();
    const { fx, fy, cx, cy } = resizeCamera(camera, width, height);
    const pinhole = { fx, fy, cx, cy };
    const twice = await onGpu(gpu, { width, height, rgba: raw }, lens, { width, height, pinhole });
    const resized = await sharp(twice, { raw: { width, height, channels: 4 } })
      .resize(camera.width, camera.height, { fit: 'fill', kernel: 'linear' })
      .raw()
      .toBuffer();
    const expected = new Uint8Array(await gpu.read(image!, 'test', 4 * camera.width * camera.height));
    const error = meanDifference(resized, expected);
    assert.ok(error < 0.25, `${name}: ${error} of 255`);
    releaseDataset(dataset);
    releaseDataset(undistorted);
  }),
);

/** Over red, green and blue. */
function meanDifference(a: Uint8Array, b: Uint8Array): number {
  assert.is(a.length, b.length);
  let sum = 0;
  a.forEach((value, i) => {
    if (i % 4 < 3) sum += Math.abs(value - b[i]);
  });
  return sum / (0.75 * a.length);
}

test.run();
