import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Dataset, View } from '../artefacts/dataset.ts';
import type { Report } from '../stage.ts';
import { calibrationOf } from './colmap/cameras.ts';
import type { ColmapImage } from './colmap/images.ts';
import { type ColmapModel, readModel } from './colmap/model.ts';
import { sceneFrame } from './geometry.ts';
import { type Photograph, PhotographLoader } from './photographs.ts';
import { type Calibration, undistortedCamera } from './undistorted-camera.ts';

export interface CaptureOptions {
  /** Folder of the capture. */
  colmap: string;
  /** Folder of the images, relative to `colmap`. */
  images: string;
  downscale: number;
  /** Every n-th view is held out for testing; 0 holds out none. */
  holdout: number;
}

/** Checks that the model parses, that its cameras can be undistorted, and that every image exists. */
export async function checkCapture(options: CaptureOptions): Promise<void> {
  const { model, registered } = await surveyCapture(options);
  for (const calibration of new Set(registered.map((image) => image.calibration))) {
    undistortedCamera(calibration);
  }
  model.readPoints();
}

/** All files that `loadCapture` reads: the model and the images. */
export async function captureFiles(options: CaptureOptions): Promise<string[]> {
  const { model, registered } = await surveyCapture(options);
  return [...model.files, ...registered.map(({ path }) => path)];
}

/** Reads a COLMAP capture and uploads each image once. On failure nothing stays on the GPU. */
export async function loadCapture(gpu: Gpu, options: CaptureOptions, report: Report): Promise<Dataset> {
  const { model, registered } = await surveyCapture(options);
  const { positions, colors, skipped } = model.readPoints();
  if (skipped) report.warn(`${skipped} SfM points have positions that are not finite; they are skipped`);
  const alphas: string[] = [];
  const views: View[] = new Array(registered.length);
  const photographs = new PhotographLoader(gpu, options.downscale);
  let done = 0;
  try {
    await inParallel(registered.length, async (i) => {
      const { name } = registered[i];
      const { camera, image, hadAlpha } = await photographs.load(registered[i]);
      if (hadAlpha) alphas.push(name);
      const split = options.holdout > 0 && i % options.holdout === 0 ? 'test' : 'train';
      views[i] = { name, split, camera, image };
      report.progress({ step: ++done, steps: registered.length });
    });
  } catch (error) {
    for (const view of views) view?.image?.destroy();
    throw error;
  }
  if (alphas.length) {
    report.warn(`${alphas.length} pictures have an alpha channel; it is ignored, without blending`);
  }
  const frame = sceneFrame(
    views.map(({ camera }) => camera),
    positions,
    (text) => report.warn(text),
  );
  return { views, points: { positions, colors }, ...frame };
}

async function surveyCapture(
  options: CaptureOptions,
): Promise<{ model: ColmapModel; registered: Photograph[] }> {
  const model = await readModel(options.colmap);
  const folder = resolve(options.colmap, options.images);
  const calibrations = new Map<number, Calibration>();
  const registered = model.images.map((image): Photograph => {
    const camera = model.cameras.get(image.cameraId)!;
    const calibration = calibrations.get(camera.id) ?? calibrationOf(camera, model.camerasFile);
    calibrations.set(camera.id, calibration);
    return {
      name: image.name,
      path: join(folder, image.name),
      calibration,
      viewmat: viewmatOf(image),
    };
  });
  if (registered.every(({ name }, i) => options.holdout > 0 && i % options.holdout === 0 && name)) {
    throw new InputError(
      `holdout ${options.holdout} leaves none of the ${registered.length} views to train on; use 0 or a larger number`,
      model.folder,
    );
  }
  await checkPresent(registered, folder);
  return { model, registered };
}

/** @throws InputError with all images that are missing. */
async function checkPresent(registered: readonly Photograph[], folder: string): Promise<void> {
  const folderStat = await stat(folder).catch(() => undefined);
  if (!folderStat?.isDirectory()) {
    throw new InputError(
      'is not a folder; expected the pictures that COLMAP registered (set `images` to their folder, relative to the capture)',
      folder,
    );
  }
  const present = await Promise.all(
    registered.map(async ({ path }) => (await stat(path).catch(() => undefined))?.isFile()),
  );
  const missing = registered.filter((_, i) => !present[i]).map(({ name }) => name);
  if (missing.length) {
    throw new InputError(
      `lacks ${missing.length} of the ${registered.length} pictures that COLMAP registered: ${missing.join(', ')}`,
      folder,
    );
  }
}

/** World → camera [4,4] row-major from COLMAP's quaternion (wxyz, normalised here) and translation. */
export function viewmatOf({ quat, translation }: Pick<ColmapImage, 'quat' | 'translation'>): number[] {
  const length = Math.hypot(...quat);
  const [w, x, y, z] = quat.map((value) => value / length);
  const [tx, ty, tz] = translation;
  return [
    ...[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), tx],
    ...[2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x), ty],
    ...[2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y), tz],
    ...[0, 0, 0, 1],
  ];
}

/** Runs `work` for 0…count−1, a few at a time, because decoding takes memory. Stops at the first failure. */
async function inParallel(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < count && !failed) {
      try {
        await work(next++);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const settled = await Promise.allSettled(
    Array.from({ length: Math.min(count, 8, availableParallelism()) }, worker),
  );
  const failure = settled.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
}
