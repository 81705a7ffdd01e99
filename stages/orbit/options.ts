import * as z from 'zod';
import { backgroundOption } from '../artefacts/background.ts';
import { pathOption } from './paths/index.ts';

const side = z
  .number()
  .int()
  .min(16)
  .max(8192)
  .multipleOf(2, 'H.264 needs an even width and height')
  .describe('Pixels; even');

export const orbitOptions = z.strictObject({
  frames: z.number().int().min(1).max(3600).default(120).describe('Number of frames along the path'),
  fps: z.number().min(1).max(120).default(30).describe('Frames per second of the video'),
  size: z.tuple([side, side]).default([960, 540]).describe('[width, height] of the frames, pixels'),
  path: pathOption,
  zoom: z.number().min(0.1).max(10).default(1).describe('Multiplies the focal length of the path'),
  background: backgroundOption(),
  pictures: z.boolean().default(true).describe('Writes frames/*.png'),
  video: z.boolean().default(true).describe('Writes turntable.mp4'),
  compare: z
    .boolean()
    .default(false)
    .describe('Also writes compare.mp4: before restyling on the left, after on the right'),
  bitrate: z
    .number()
    .min(0.05)
    .max(500)
    .optional()
    .describe(
      'Bit rate of turntable.mp4, Mbit/s; its bytes are then not reproducible. Default: constant quality, reproducible bytes',
    ),
  memory: z.number().min(0.01).max(1024).default(4).describe('GPU memory limit of all frames together, GiB'),
});

export type OrbitOptions = z.output<typeof orbitOptions>;
/** Options of orbit as a caller gives them: docs/options.md has units and defaults. */
export type OrbitInput = z.input<typeof orbitOptions>;
