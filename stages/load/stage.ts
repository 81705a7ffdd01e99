import * as z from 'zod';
import type { Gpu } from '../../wgsl/core/index.ts';
import type { Reconstruction } from '../artefacts/reconstruction.ts';
import { defineStage, type StageSettings, silent } from '../stage.ts';
import { MASKS } from './capture.ts';
import { READERS, readerOf, unrecognised } from './readers/index.ts';
import type { Loaded, Reader } from './readers/reader.ts';

export type { Loaded } from './readers/reader.ts';

const MAX_SIDE = 16384;
/** The options that name the input. */
const SOURCES = ['path', 'colmap', 'transforms', 'photos', 'video', 'ply'] as const;

export const loadOptions = z
  .strictObject({
    path: z
      .string()
      .min(1)
      .optional()
      .meta({ path: 'file or folder' })
      .describe(
        'Anything that `colmap`, `transforms`, `photos`, `video` and `ply` take; load recognises its kind by the names of the files',
      ),
    colmap: z
      .string()
      .min(1)
      .optional()
      .meta({ path: 'folder' })
      .describe(
        'Folder of a COLMAP capture: a model in sparse/0, sparse or the folder itself, and its images, which are undistorted',
      ),
    transforms: z
      .string()
      .min(1)
      .optional()
      .meta({ path: 'file or folder' })
      .describe(
        'transforms.json of instant-ngp or nerfstudio, or the folder with it; or the folder with transforms_train.json of Blender',
      ),
    photos: z
      .string()
      .min(1)
      .optional()
      .meta({ path: 'folder' })
      .describe('Folder of photographs without cameras, which the stage sfm finds with COLMAP'),
    video: z
      .string()
      .min(1)
      .optional()
      .meta({ path: 'file' })
      .describe(
        'Video (MP4, MOV, WebM, MKV), of which the stage sfm takes frames and finds their cameras with COLMAP',
      ),
    frames: z
      .int()
      .min(3)
      .max(10_000)
      .optional()
      .describe(
        'Frames of the video: the sharpest of each of so many equal intervals (120 without this option)',
      ),
    ply: z
      .string()
      .min(1)
      .optional()
      .meta({ path: 'file', advice: 'Of an unpacked SOG splat give the meta.json' })
      .describe(
        'Splat file to load instead of a capture: .ply (3DGS), .sog, .spz, .splat, .ksplat, or the meta.json of an unpacked SOG',
      ),
    images: z
      .string()
      .min(1)
      .default('images')
      .describe(
        'Folder of the images, relative to the capture (PNG, JPEG, WebP); of transforms.json, the folder that replaces images/ in its paths',
      ),
    masking: z
      .enum(['none', 'ignore', 'remove'])
      .default('none')
      .describe(
        'Masks, from the folder `masks` or else the alpha of the pictures; none: not used; ignore: masked pixels take no part in losses and scores; remove: pictures are composited over the background, and Gaussians outside the masks are removed',
      ),
    masks: z
      .string()
      .min(1)
      .default(MASKS)
      .describe(
        'Folder of the masks, relative to the capture: NAME.png or NAME.jpg.png for images/NAME.jpg, black where masked',
      ),
    blankPixels: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe(
        "How much undistorted pictures keep, as COLMAP's blank_pixels: 0 crops them so that every pixel exists; 1 keeps every pixel of the photographs, and those that do not exist are masked as by masking: ignore",
      ),
    downscale: z
      .number()
      .min(1)
      .max(64)
      .default(1)
      .describe(
        'Factor by which width and height of the images are reduced, by area averaging, after lens distortion is removed',
      ),
    holdout: z
      .int()
      .min(0)
      .default(8)
      .describe('Holds out every n-th view, in order of names, for evaluation; 0 holds out none'),
    views: z
      .int()
      .min(1)
      .max(10_000)
      .default(48)
      .describe('Number of synthetic views around a splat without images'),
    size: z
      .tuple([z.int().min(16).max(MAX_SIDE), z.int().min(16).max(MAX_SIDE)])
      .default([512, 512])
      .describe('[width, height] of the synthetic views, pixels'),
  })
  .refine((options) => SOURCES.filter((key) => options[key] !== undefined).length === 1, {
    message:
      'expected exactly one of `path` (any input), `colmap`, `transforms` (captures), `photos`, `video` (without cameras) and `ply` (a splat)',
  })
  .refine(({ blankPixels, masking }) => blankPixels === 0 || masking !== 'remove', {
    path: ['blankPixels'],
    message: 'expected 0 with masking remove: pixels that do not exist are no background',
  });

/** The options of `load`, as written in a file or a script. */
export type LoadInput = z.input<typeof loadOptions>;
export type LoadOptions = z.output<typeof loadOptions>;

/**
 * Loads a capture (`colmap`, `transforms`), a splat (`ply`), or any of them (`path`) onto the GPU. Pictures without cameras
 * (`photos`, `video`) need the `reconstruction` that `sfm` returns for them. The caller owns the buffers (`releaseDataset`,
 * `releaseGaussians`).
 *
 * @throws InputError with the file and the position of anything that cannot be used.
 */
export async function load(
  gpu: Gpu,
  { reconstruction }: { reconstruction?: Reconstruction },
  options: LoadInput,
  { report = silent }: StageSettings = {},
): Promise<Loaded> {
  const parsed = loadOptions.parse(options);
  const { reader, path } = sourceOf(parsed);
  const loaded = await reader.load(gpu, path, parsed, report, reconstruction);
  report.note(`${parsed.path === undefined ? '' : `found ${reader.title}: `}${describeLoaded(loaded)}`);
  return loaded;
}

/** The stage: a capture, or a splat with synthetic views, on the GPU. */
export const loadStage = defineStage({
  name: 'load',
  module: import.meta.url,
  summary: 'Loads a capture with its cameras, photographs, a video or a splat file',
  options: loadOptions,
  needs: [],
  uses: ['reconstruction'],
  gives: ['dataset', 'gaussians'],
  source: true,
  givesFor: (options) => (hasPhotographs(options) ? ['dataset'] : ['dataset', 'gaussians']),
  givesPhotographs: hasPhotographs,
  newRows: true,
  before(options) {
    if (options.path !== undefined && !readerOf(options.path)) return undefined; // preflight reports it
    const { reader, path } = sourceOf(options);
    return reader.before?.(path, options);
  },
  async reads(options) {
    const { reader, path } = sourceOf(options);
    return { files: await reader.files(path, options) };
  },
  async preflight(options) {
    const { reader, path } = sourceOf(options);
    return reader.check(path, options);
  },
  run: async (...args) => ({ ...(await load(...args)) }),
});

/** @throws InputError when no reader recognises `path`. */
function sourceOf(options: LoadOptions): { reader: Reader; path: string } {
  const { path } = options;
  if (path === undefined) {
    const reader = READERS.find(({ key }) => options[key] !== undefined)!;
    return { reader, path: options[reader.key]! };
  }
  const reader = readerOf(path);
  if (!reader) throw unrecognised(path);
  return { reader, path };
}

/** An unrecognised path counts as a capture: `preflight` reports it. */
function hasPhotographs({ path, ply }: LoadOptions): boolean {
  return path === undefined ? ply === undefined : (readerOf(path)?.photographs ?? true);
}

function describeLoaded({ dataset: { views, points }, gaussians }: Loaded): string {
  if (gaussians) {
    return `${gaussians.count} Gaussians of SH degree ${gaussians.shDegree}, ${views.length} views around them`;
  }
  const test = views.filter(({ split }) => split === 'test').length;
  const sizes = new Set(views.map(({ camera }) => `${camera.width}×${camera.height}`));
  const size = sizes.size === 1 ? [...sizes][0] : `${sizes.size} sizes`;
  return `${views.length - test} train and ${test} test views, ${size}, ${points.positions.length / 3} points`;
}
