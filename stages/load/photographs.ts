import type { Gpu } from '../../wgsl/core/index.ts';
import { AreaResizer } from '../../wgsl/image/area-resize.ts';
import { Undistorter } from '../../wgsl/image/undistort.ts';
import { type Camera, resizeCamera } from '../artefacts/camera.ts';
import { foldRadius, isPinhole } from './lens.ts';
import type { Masking } from './masks.ts';
import { downscaled, type Picture, readPicture } from './pictures.ts';
import {
  type Calibration,
  scaleCalibration,
  type UndistortedCamera,
  undistortedCamera,
} from './undistorted-camera.ts';

/** Folds of a lens beyond this radius, 60° off the axis, are in no undistorted picture. */
const FOLD_LIMIT = Math.tan(Math.PI / 3);

/** A photograph to load, and its camera. */
export interface Photograph {
  name: string;
  path: string;
  calibration: Calibration;
  /** World → camera, as in `Camera`. */
  viewmat: readonly number[];
  /** The file of its mask. */
  mask?: string;
}

/** How photographs are loaded. */
export interface PhotographOptions {
  downscale: number;
  /** What masked pixels mean. Without it masks and alpha are not used. */
  masking?: Masking;
  /** 0 to 1: see `undistortedCamera`. Above 0, pixels that do not exist are masked. */
  blankPixels: number;
}

/** A photograph on the GPU: u32 [H, W], rgba8, without distortion. The caller owns `image`. */
export interface LoadedPhotograph {
  camera: Camera;
  image: GPUBuffer;
  hadAlpha: boolean;
  /** It has a mask. */
  masked: boolean;
  /** It may have pixels that do not exist, with alpha 0. */
  blank: boolean;
}

/** Loads photographs: decodes them, undistorts them at their full size, and reduces them by `downscale`. */
export class PhotographLoader {
  readonly #gpu: Gpu;
  readonly #options: PhotographOptions;
  #undistorter?: Promise<Undistorter>;
  #resizer?: Promise<AreaResizer>;
  /** By calibration, then by the picture's size: the search for a size takes milliseconds. */
  readonly #cameras = new Map<Calibration, Map<string, UndistortedCamera>>();

  constructor(gpu: Gpu, options: PhotographOptions) {
    this.#gpu = gpu;
    this.#options = options;
  }

  /** @throws InputError when the file is no picture of this calibration, or exceeds the adapter's limits. */
  async load({ name, path, calibration, viewmat, mask }: Photograph): Promise<LoadedPhotograph> {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#gpu.device.limits;
    const distorted = !isPinhole(calibration.lens);
    const picture = await readPicture(path, {
      calibrated: calibration,
      downscale: distorted ? 1 : this.#options.downscale,
      maxBytes: Math.min(maxBufferSize, maxStorageBufferBindingSize),
      undistorts: distorted,
      masking: this.#options.masking,
      mask,
    });
    const { hadAlpha, masked } = picture;
    const label = `load/image/${name}`;
    if (distorted) {
      const undistorted = await this.#undistort(label, picture, calibration, viewmat);
      await this.#gpu.settle(); // frees the distorted picture: on a slow adapter they would pile up
      return { ...undistorted, hadAlpha, masked, blank: this.#options.blankPixels > 0 };
    }
    const { width, height } = picture;
    const { lens } = scaleCalibration(calibration, width, height);
    const { fx, fy, cx, cy } = lens;
    const image = this.#gpu.upload(label, picture.rgba, 'images');
    return { camera: { width, height, fx, fy, cx, cy, viewmat }, image, hadAlpha, masked, blank: false };
  }

  async #undistort(label: string, picture: Picture, calibration: Calibration, viewmat: readonly number[]) {
    const { width, height } = picture;
    const scaled = scaleCalibration(calibration, width, height);
    const to = this.#undistortedCamera(calibration, width, height);
    const blanks = this.#options.blankPixels > 0;
    const lens = blanks ? { ...scaled.lens, foldRadius: foldRadius(scaled.lens, FOLD_LIMIT) } : scaled.lens;
    const camera: Camera = { width: to.width, height: to.height, ...to.pinhole, viewmat };
    this.#undistorter ??= Undistorter.create(this.#gpu, { blanks });
    const undistorter = await this.#undistorter;
    const rgba8 = this.#gpu.buffer(label, 4 * to.width * to.height);
    try {
      const photo = this.#gpu.upload(`${label}/distorted`, picture.rgba, 'images');
      undistorter.run({ photo, width, height, lens }, { ...to, rgba8 });
      photo.destroy();
      const target = downscaled(to.width, to.height, this.#options.downscale);
      if (target.width === to.width && target.height === to.height) return { camera, image: rgba8 };
      this.#resizer ??= AreaResizer.create(this.#gpu);
      const resizer = await this.#resizer;
      const image = this.#gpu.buffer(label, 4 * target.width * target.height);
      resizer.run({ ...to, rgba8 }, { ...target, rgba8: image });
      rgba8.destroy();
      return { camera: resizeCamera(camera, target.width, target.height), image };
    } catch (error) {
      rgba8.destroy();
      throw error;
    }
  }

  #undistortedCamera(calibration: Calibration, width: number, height: number): UndistortedCamera {
    const sizes = this.#cameras.get(calibration) ?? new Map<string, UndistortedCamera>();
    this.#cameras.set(calibration, sizes);
    const size = `${width}×${height}`;
    const camera =
      sizes.get(size) ??
      undistortedCamera(scaleCalibration(calibration, width, height), this.#options.blankPixels);
    sizes.set(size, camera);
    return camera;
  }
}
