import * as z from 'zod';
import { backgroundOption } from '../artefacts/background.ts';
import { type Dataset, medianAspect } from '../artefacts/dataset.ts';
import { FILE_NAMES, FILES } from './files/index.ts';
import { OUTPUT_NAMES, OUTPUTS } from './outputs/index.ts';
import { pathOption } from './paths/index.ts';

const list = (rows: Record<string, { summary: string }>) =>
  Object.entries(rows)
    .map(([name, { summary }]) => `${name}: ${summary}`)
    .join('; ');

const eachOnce = (names: readonly string[]) => new Set(names).size === names.length;

const side = z
  .number()
  .int()
  .min(16)
  .max(8192)
  .multipleOf(2, 'videos need an even width and height')
  .describe('Pixels; even');

export const orbitOptions = z.strictObject({
  frames: z.number().int().min(1).max(3600).default(120).describe('Number of frames along the path'),
  fps: z.number().min(1).max(120).default(30).describe('Frames per second of the video'),
  size: z
    .union([side, z.tuple([side, side])])
    .default(960)
    .describe(
      'Size of the frames, pixels: the longer side, with the aspect of the photographs (16:9 without them), or [width, height]',
    ),
  path: pathOption,
  zoom: z.number().min(0.1).max(10).default(1).describe('Multiplies the focal length of the path'),
  background: backgroundOption(),
  outputs: z
    .array(z.enum(OUTPUT_NAMES))
    .min(1)
    .refine(eachOnce, 'names an output twice')
    .default(['color'])
    .describe(`Pictures that are written. ${list(OUTPUTS)}`),
  files: z
    .array(z.enum(FILE_NAMES))
    .refine(eachOnce, 'names a file twice')
    .default(['png', 'mp4'])
    .describe(`Files of each output. ${list(FILES)}`),
  bitrate: z
    .number()
    .min(0.05)
    .max(500)
    .optional()
    .describe(
      'Bit rate of videos, Mbit/s; their bytes are then not reproducible. Default: constant quality, reproducible bytes',
    ),
  memory: z.number().min(0.01).max(1024).default(4).describe('GPU memory limit of all frames together, GiB'),
});

export type OrbitOptions = z.output<typeof orbitOptions>;
/** Options of orbit as a caller gives them: docs/options.md has units and defaults. */
export type OrbitInput = z.input<typeof orbitOptions>;

/** width ÷ height without photographs. */
export const WIDE = 16 / 9;
/** The smallest side of a frame, pixels. */
const MIN_SIDE = 16;

/** width ÷ height of the photographs: the median of the training views that have one. */
export function photographAspect({ views }: Dataset): number | undefined {
  const shown = views.filter(({ image, split }) => image && split === 'train');
  return shown.length ? medianAspect(shown.map(({ camera }) => camera)) : undefined;
}

/** The size of the frames, even numbers, by the option `size`: [width, height], or the longer side of pictures of an aspect. */
export function pictureSize(
  size: number | readonly [number, number],
  aspect: number,
): { width: number; height: number } {
  if (typeof size !== 'number') return { width: size[0], height: size[1] };
  const shorter = Math.max(MIN_SIDE, 2 * Math.round((size * Math.min(aspect, 1 / aspect)) / 2));
  return aspect < 1 ? { width: shorter, height: size } : { width: size, height: shorter };
}
