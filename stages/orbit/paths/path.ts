import type * as z from 'zod';
import type { Gpu } from '../../../wgsl/core/index.ts';
import type { Camera } from '../../artefacts/camera.ts';
import type { Dataset } from '../../artefacts/dataset.ts';
import type { Gaussians } from '../../artefacts/gaussians.ts';
import type { Report } from '../../stage.ts';

/** Number and size of the frames. */
export interface Picture {
  frames: number;
  /** Pixels. */
  width: number;
  height: number;
}

export interface PathInput {
  gpu: Gpu;
  scene: { dataset: Dataset; gaussians: Gaussians };
  picture: Picture;
  /** Receives a note that describes the path, and warnings. */
  report: Report;
}

export interface PathCameras {
  /** One for each frame, all of the size of the picture. Paths that list their cameras decide their number. */
  cameras: Camera[];
  /** Separate views: neighbours in the list are not neighbours in space. */
  unordered?: true;
}

/** The pictures that a path is made for. */
export interface MadeFor {
  /** The number of the path's cameras. Default: the option `frames`. */
  frames?: number;
  /** width ÷ height. Default: that of the photographs. */
  aspect?: number;
}

/** A way to place the cameras of the frames. */
export interface CameraPath<Options = unknown> {
  /** The value of `orbit.path`, or the key of its options there. */
  name: string;
  /** A phrase for help and docs. */
  summary: string;
  options: z.ZodType<Options>;
  /** Whether the cameras depend on the Gaussians, and not only on the capture. */
  usesSplat?: boolean;
  /** Checks files before anything runs, and gives what they say about the pictures. @throws InputError */
  check?(options: Options): Promise<MadeFor>;
  /** @throws InputError when the scene has no such path. */
  cameras(input: PathInput, options: Options): Promise<PathCameras>;
}

/** Infers the type of a path's options. */
export function definePath<Options>(path: CameraPath<Options>): CameraPath<Options> {
  return path;
}

export function trainingCameras({ views }: Pick<Dataset, 'views'>): Camera[] {
  return views.filter(({ split }) => split === 'train').map(({ camera }) => camera);
}
