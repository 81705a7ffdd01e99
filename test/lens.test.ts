import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { calibrationOf } from '../stages/load/colmap/cameras.ts';
import { distort, foldRadius, isPinhole, undistort } from '../stages/load/lens.ts';
import { undistortedCamera } from '../stages/load/undistorted-camera.ts';
import { BLANK_PIXELS, COLMAP_VALUES, RAYS } from './helpers/colmap-cameras.ts';
import { throwsInput } from './helpers/throws.ts';

const near = (a: readonly number[], b: readonly number[], tolerance: number, what: string) =>
  a.forEach((value, i) => {
    assert.ok(Math.abs(value - b[i]) < tolerance, `${what}: ${a} instead of ${b}`);
  });
const calibrate = (model: string, params: number[]) =>
  calibrationOf({ id: 3, model, width: 640, height: 480, params }, 'cameras.bin');

test('rays reach the pixels where COLMAP projects them, and back', () => {
  assert.is(new Set(COLMAP_VALUES.map(({ camera }) => camera.model)).size, 13);
  for (const { camera, pixels } of COLMAP_VALUES) {
    const { lens } = calibrationOf(camera, 'cameras.bin');
    assert.is(isPinhole(lens), camera.model.endsWith('PINHOLE'));
    RAYS.forEach(([u, v], i) => {
      const pixel = distort(lens, u, v);
      near(pixel, pixels[i], 2e-6, camera.model);
      near(undistort(lens, ...pixel)!, [u, v], 1e-9, camera.model);
    });
    near(distort(lens, 0, 0), [lens.cx, lens.cy], 1e-12, camera.model);
  }
});

test('the undistorted camera is that of COLMAP without blank pixels', () => {
  for (const { camera, undistorted } of COLMAP_VALUES) {
    const { width, height, pinhole } = undistortedCamera(calibrationOf(camera, 'cameras.bin'));
    const { fx, fy, cx, cy } = pinhole;
    assert.equal([width, height], undistorted.slice(0, 2), camera.model);
    near([fx, fy, cx, cy], undistorted.slice(2), 2e-6, camera.model);
  }
});

test('the undistorted camera is that of COLMAP with blank pixels', () => {
  for (const { model, blankPixels, undistorted } of BLANK_PIXELS) {
    const { camera } = COLMAP_VALUES.find((values) => values.camera.model === model)!;
    const { width, height, pinhole } = undistortedCamera(calibrationOf(camera, 'cameras.bin'), blankPixels);
    const { fx, fy, cx, cy } = pinhole;
    near([width, height, fx, fy, cx, cy], undistorted, 2e-6, `${model}, ${blankPixels}`);
  }
});

test('the fold of a lens is where its radius turns back', () => {
  const { lens } = calibrate('SIMPLE_RADIAL', [300, 320, 240, -0.6]);
  assert.ok(Math.abs(foldRadius(lens, 2) - Math.sqrt(1 / 1.8)) < 1e-3);
  assert.is(foldRadius(calibrate('SIMPLE_RADIAL', [300, 320, 240, 0.6]).lens, 2), Number.POSITIVE_INFINITY);
  assert.is(foldRadius(calibrate('FOV', [480, 485, 322, 238, 0.7]).lens, 2), Number.POSITIVE_INFINITY);
});

test('a FOV lens without distortion is a pinhole', () => {
  assert.ok(isPinhole(calibrate('FOV', [500, 500, 320, 240, 0]).lens));
});

test('fisheyes that no pinhole camera holds are refused', async () => {
  const horizontal = (degrees: number) => 640 / ((degrees * Math.PI) / 180);
  for (const degrees of [114, 140, 179, 200, 360]) {
    const f = horizontal(degrees);
    await throwsInput(
      () => undistortedCamera(calibrate('SIMPLE_FISHEYE', [f, 320, 240])),
      'cameras.bin',
      'camera 3 (SIMPLE_FISHEYE) sees',
      'at most 110°',
    );
  }
  const { width } = undistortedCamera(calibrate('SIMPLE_FISHEYE', [horizontal(108), 320, 240]));
  assert.ok(width > 640);
});

test('distortion that folds the picture is refused', async () => {
  await throwsInput(
    () => undistortedCamera(calibrate('SIMPLE_RADIAL', [300, 320, 240, -0.6])),
    'cameras.bin',
    'camera 3 (SIMPLE_RADIAL) has distortion that cannot be undone at pixel',
  );
  assert.is(undistort(calibrate('SIMPLE_RADIAL', [300, 320, 240, -0.6]).lens, 0.5, 240), undefined);
});

test.run();
