import type { Gpu } from '../../../wgsl/core/index.ts';
import { type Dataset, medianAspect } from '../../artefacts/dataset.ts';
import type { Gaussians } from '../../artefacts/gaussians.ts';
import type { Reconstruction } from '../../artefacts/reconstruction.ts';
import type { Known, Report, StageBefore } from '../../stage.ts';
import { type Capture, type CaptureOptions, loadCapture, splitsOf, withMasks } from '../capture.ts';
import { downscaled } from '../pictures.ts';
import type { SplatOptions } from '../splat.ts';
import { undistortedCamera } from '../undistorted-camera.ts';

/** A dataset; also the Gaussians when a splat was loaded. */
export interface Loaded {
  dataset: Dataset;
  gaussians?: Gaussians;
}

/** The options of `load` besides those that name the input. */
export type ReaderOptions = CaptureOptions & SplatOptions & { frames?: number };

/** What an input has. */
export interface Contents {
  /** `49 pictures of 256×256`, `PINHOLE`, `5000 points`. */
  facts: string[];
  /** The longer side of the largest picture, pixels, where it is known. */
  longerSide?: number;
}

/** A kind of input. */
export interface Reader {
  /** The option of `load` that takes this kind alone. */
  key: 'colmap' | 'transforms' | 'photos' | 'video' | 'ply';
  /** In words: `a COLMAP capture`. */
  title: string;
  /** What a path of this kind looks like, for the error about a path of no kind. */
  shape: string;
  /** Whether the input has photographs; without them it is a splat. */
  photographs: boolean;
  /** Whether a path is of this kind, by the names of files alone. Synchronous: a plan depends on it. */
  recognises(path: string): boolean;
  /** The stage that finds what the input lacks. */
  before?(path: string, options: ReaderOptions): StageBefore;
  /** Every file that `load` reads. @throws InputError when that cannot be determined. */
  files(path: string, options: ReaderOptions): Promise<string[]>;
  /** What the input has, in words, without decoding a picture or a splat. @throws InputError */
  inspect(path: string, options: ReaderOptions): Promise<Contents>;
  /** Checks everything but the contents of large files. Gives what it finds about the views. @throws InputError */
  check(path: string, options: ReaderOptions): Promise<Known>;
  /** Puts the input on the GPU. On failure nothing stays there. @throws InputError */
  load(
    gpu: Gpu,
    path: string,
    options: ReaderOptions,
    report: Report,
    reconstruction?: Reconstruction,
  ): Promise<Loaded>;
}

/** A reader of photographs with cameras, from a function that finds them. */
export function captureReader({
  survey,
  ...row
}: Pick<Reader, 'key' | 'title' | 'shape' | 'recognises'> & {
  survey(path: string, options: CaptureOptions): Promise<Capture>;
}): Reader {
  return {
    ...row,
    photographs: true,
    async files(path, options) {
      const capture = await survey(path, options);
      const masks = withMasks(capture, options).flatMap(({ mask }) => mask ?? []);
      return [
        ...capture.files,
        ...capture.photographs.map((photograph) => photograph.path),
        ...(options.masking === 'none' ? [] : masks),
      ];
    },
    async inspect(path, options) {
      const { photographs, readPoints } = await survey(path, options);
      const calibrations = photographs.map(({ calibration }) => calibration);
      const models = [...new Set(calibrations.map(({ model }) => model))];
      const { positions } = await readPoints();
      const { facts, longerSide } = picturesOf(photographs.length, calibrations);
      return { facts: [...facts, models.join(' and '), `${positions.length / 3} points`], longerSide };
    },
    async check(path, options) {
      const capture = await survey(path, options);
      const splits = splitsOf(capture, options);
      withMasks(capture, options);
      const calibrations = capture.photographs.map(({ calibration }) => calibration);
      const sizes = new Map(
        [...new Set(calibrations)].map((calibration) => {
          const { width, height } = undistortedCamera(calibration, options.blankPixels);
          return [calibration, downscaled(width, height, options.downscale)];
        }),
      );
      await capture.readPoints();
      const training = calibrations.filter((_, i) => splits[i] === 'train');
      return { aspect: medianAspect(training.map((calibration) => sizes.get(calibration)!)) };
    },
    async load(gpu, path, options, report) {
      return { dataset: await loadCapture(gpu, await survey(path, options), options, report) };
    },
  };
}

/** `49 pictures of 256×256`, from the sizes of some or all of them. */
export function picturesOf(count: number, sizes: readonly { width: number; height: number }[]): Contents {
  const texts = new Set(sizes.map(({ width, height }) => `${width}×${height}`));
  const size = texts.size === 1 ? [...texts][0] : `${texts.size} sizes`;
  const longerSide = Math.max(...sizes.map(({ width, height }) => Math.max(width, height)));
  return { facts: [`${count} pictures of ${size}`], longerSide };
}
