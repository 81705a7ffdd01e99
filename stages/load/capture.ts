import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { type Gpu, InputError } from '../../wgsl/core/index.ts';
import type { Dataset, SfmPoints, View } from '../artefacts/dataset.ts';
import type { Report } from '../stage.ts';
import { sceneFrame } from './geometry.ts';
import { type Masking, maskOf } from './masks.ts';
import { type Photograph, PhotographLoader } from './photographs.ts';
import { pictureSize } from './pictures.ts';

/** A photograph whose split the capture itself may name. */
export type CapturePhotograph = Photograph & { split?: View['split'] };

/** Points with finite positions, in file order, and the number of skipped points. */
export interface PointsRead extends SfmPoints {
  skipped: number;
}

/** What a reader finds in a capture, before a photograph is decoded. */
export interface Capture {
  /** The file or folder that errors about the whole capture name. */
  place: string;
  /** The folder to which options are relative. */
  folder: string;
  /** The files of the capture besides the photographs. */
  files: string[];
  /** At least one; sorted by name (code units). Hold-out counts in this order. */
  photographs: CapturePhotograph[];
  /** Reads the points, if there are any. @throws InputError when their file is damaged. */
  readPoints(): PointsRead | Promise<PointsRead>;
  /** What the reader left out, in words. */
  warnings: string[];
}

export interface CaptureOptions {
  /** Folder of the images, relative to the capture. */
  images: string;
  downscale: number;
  /** Every n-th view is held out for testing; 0 holds out none. */
  holdout: number;
  /** Folder of the masks, relative to the capture. */
  masks: string;
  masking: Masking | 'none';
  /** 0 to 1; see `undistortedCamera`. */
  blankPixels: number;
}

/** The default of the option `masks`. */
export const MASKS = 'masks';

/** Every photograph with its mask: the one that the capture names, or that of the folder. */
export function withMasks(
  { photographs, folder }: Capture,
  { masks, masking }: CaptureOptions,
): CapturePhotograph[] {
  const place = resolve(folder, masks);
  const isFolder = statSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (masking !== 'none' && masks !== MASKS && !isFolder) {
    throw new InputError(
      'is not a folder; expected masks (set `masks` to their folder, relative to the capture)',
      place,
    );
  }
  return photographs.map((photograph) => {
    const mask = photograph.mask ?? (isFolder ? maskOf(place, photograph.name) : undefined);
    return { ...photograph, mask };
  });
}

/** Photographs of more bytes on the GPU get a warning before the first one is decoded. WebGPU does not say how much memory a GPU has. */
const MANY_BYTES = 8 * 2 ** 30;

/** Uploads each photograph of a capture once; decodes a few at a time. On failure nothing stays on the GPU. */
export async function loadCapture(
  gpu: Gpu,
  capture: Capture,
  options: CaptureOptions,
  report: Report,
): Promise<Dataset> {
  for (const warning of capture.warnings) report.warn(warning);
  const splits = splitsOf(capture, options);
  const { positions, colors, skipped } = await capture.readPoints();
  if (skipped) report.warn(`${skipped} SfM points have positions that are not finite; they are skipped`);
  const photographs = withMasks(capture, options);
  await warnOfBytes(photographs, options.downscale, report);
  const masking = options.masking === 'none' ? undefined : options.masking;
  const found = { alphas: 0, masks: 0 };
  const views: View[] = new Array(photographs.length);
  const loader = new PhotographLoader(gpu, { ...options, masking });
  let done = 0;
  try {
    await inParallel(photographs.length, async (i) => {
      const { name } = photographs[i];
      const { camera, image, hadAlpha, masked, blank } = await loader.load(photographs[i]);
      if (hadAlpha) found.alphas++;
      if (masked) found.masks++;
      const means = masked ? masking : blank ? 'ignore' : undefined;
      views[i] = { name, split: splits[i], camera, image, ...(means && { masking: means }) };
      report.progress({ step: ++done, steps: photographs.length });
    });
    if (masking && !found.masks) {
      throw new InputError(
        `masking ${masking} finds no masks: no picture has alpha, and there is no file ${options.masks}/NAME.png or ` +
          `${options.masks}/NAME.jpg.png; set \`masks\` to their folder, relative to the capture`,
        capture.folder,
      );
    }
  } catch (error) {
    for (const view of views) view?.image?.destroy();
    throw error;
  }
  if (masking) report.note(`masks of ${found.masks} of ${views.length} pictures: ${masking}`);
  else if (found.alphas) {
    report.warn(
      `${found.alphas} pictures have an alpha channel; it is ignored, without blending (load.masking takes it as a mask)`,
    );
  }
  const unused = masking ? 0 : photographs.filter(({ mask }) => mask).length;
  if (unused) report.warn(`masks of ${unused} pictures are not used; load.masking uses them`);
  const frame = sceneFrame(
    views.map(({ camera }) => camera),
    positions,
    (text) => report.warn(text),
  );
  return { views, points: { positions, colors }, ...frame };
}

/** rgba8, 4 bytes a pixel. Scales the calibrated sizes by the ratio of the first photograph's size to its calibrated one. */
async function warnOfBytes(photographs: readonly Photograph[], downscale: number, report: Report) {
  const [first] = photographs;
  const pixelsOf = ({ width, height }: { width: number; height: number }) => width * height;
  const scale = pixelsOf(await pictureSize(first.path)) / pixelsOf(first.calibration);
  const pixels = photographs.reduce((sum, { calibration }) => sum + scale * pixelsOf(calibration), 0);
  const bytes = (4 * pixels) / downscale ** 2;
  if (bytes <= MANY_BYTES) return;
  const gib = (of: number) => `${(of / 2 ** 30).toFixed(1)} GiB`;
  report.warn(
    `${photographs.length} photographs take ${gib(bytes)} on the GPU; \`load.downscale: ${2 * downscale}\` makes it ${gib(bytes / 4)}`,
  );
}

/**
 * Which photographs are held out: those that the capture names, or every n-th one.
 * @throws InputError when none is left to train on.
 */
export function splitsOf({ photographs, place }: Capture, { holdout }: CaptureOptions): View['split'][] {
  const splits = photographs.map(
    ({ split }, i) => split ?? (holdout > 0 && i % holdout === 0 ? 'test' : 'train'),
  );
  if (!splits.includes('train')) {
    throw new InputError(
      `holdout ${holdout} leaves none of the ${splits.length} views to train on; use 0 or a larger number`,
      place,
    );
  }
  return splits;
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
