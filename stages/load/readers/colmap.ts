import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InputError } from '../../../wgsl/core/index.ts';
import { shortened } from '../../artefacts/excerpt.ts';
import type { Capture, CaptureOptions } from '../capture.ts';
import { calibrationOf } from '../colmap/cameras.ts';
import { viewmatOf } from '../colmap/images.ts';
import { hasModel, readModel } from '../colmap/model.ts';
import type { Photograph } from '../photographs.ts';
import type { Calibration } from '../undistorted-camera.ts';
import { captureReader } from './reader.ts';

/** A sparse reconstruction by COLMAP and the photographs that it registered. */
export const colmapReader = captureReader({
  key: 'colmap',
  title: 'a COLMAP capture',
  shape: 'a folder with cameras.bin or cameras.txt in sparse/0, in sparse or in itself',
  recognises: hasModel,
  survey,
});

async function survey(folder: string, options: CaptureOptions): Promise<Capture> {
  const model = await readModel(folder);
  const images = resolve(folder, options.images);
  const calibrations = new Map<number, Calibration>();
  const photographs = model.images.map((image): Photograph => {
    const camera = model.cameras.get(image.cameraId)!;
    const calibration = calibrations.get(camera.id) ?? calibrationOf(camera, model.camerasFile);
    calibrations.set(camera.id, calibration);
    return {
      name: image.name,
      path: join(images, image.name),
      calibration,
      viewmat: viewmatOf(image),
    };
  });
  await checkPresent(photographs, images);
  return {
    place: model.folder,
    folder,
    files: model.files,
    photographs,
    readPoints: model.readPoints,
    warnings: [],
  };
}

/** @throws InputError with all images that are missing. */
async function checkPresent(photographs: readonly Photograph[], folder: string): Promise<void> {
  const folderStat = await stat(folder).catch(() => undefined);
  if (!folderStat?.isDirectory()) {
    throw new InputError(
      'is not a folder; expected the pictures that COLMAP registered (set `images` to their folder, relative to the capture)',
      folder,
    );
  }
  const present = await Promise.all(
    photographs.map(async ({ path }) => (await stat(path).catch(() => undefined))?.isFile()),
  );
  const missing = photographs.filter((_, i) => !present[i]).map(({ name }) => name);
  if (missing.length) {
    throw new InputError(
      `lacks ${missing.length} of the ${photographs.length} pictures that COLMAP registered: ${missing.map((name) => shortened(name)).join(', ')}`,
      folder,
    );
  }
}
