import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resizeCamera } from '../stages/artefacts/camera.ts';
import { releaseDataset } from '../stages/artefacts/dataset.ts';
import { calibrationOf } from '../stages/load/colmap/cameras.ts';
import { readModel } from '../stages/load/colmap/model.ts';
import { undistort } from '../stages/load/lens.ts';
import { load } from '../stages/load/stage.ts';
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

async function onGpu(gpu: Gpu, photo: Rgba8, lens: Lens, to: ReturnType<typeof undistortedCamera>) {
  const { width, height } = photo;
  const undistorter = await Undistorter.create(gpu);
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

test('load undistorts at full size, then reduces', () =>
  withGpu(async (gpu) => {
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
