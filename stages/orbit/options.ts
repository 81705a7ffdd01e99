import { z } from 'zod';
import { backgroundOption } from '../artefacts/background.ts';

const side = z
  .number()
  .int()
  .min(16)
  .max(8192)
  .multipleOf(2, 'H.264 needs an even width and height')
  .describe('Pixels, even');

/** What the orbit stage can be told. */
export const orbitOptions = z.strictObject({
  frames: z.number().int().min(1).max(3600).default(120).describe('Pictures along the path'),
  fps: z.number().min(1).max(120).default(30).describe('Pictures a second in the video'),
  size: z.tuple([side, side]).default([960, 540]).describe('[width, height] of the pictures, pixels'),
  path: z
    .enum(['cameras', 'bounds'])
    .default('cameras')
    .describe("The turntable's circle: fitted to the training cameras, or around the splat's own bounds"),
  turn: z
    .enum(['auto', 'full', 'swing'])
    .default('auto')
    .describe(
      'Of path cameras; full: once around; swing: to and fro over the arc that the cameras cover; auto: swing where cameras with photographs leave a gap above 90 degrees',
    ),
  zoom: z
    .number()
    .min(0.1)
    .max(10)
    .default(1)
    .describe("Focal length as a multiple of the training cameras'"),
  background: backgroundOption(),
  pictures: z.boolean().default(true).describe('Write frames/*.png'),
  video: z.boolean().default(true).describe('Write turntable.mp4'),
  compare: z
    .boolean()
    .default(false)
    .describe('Write compare.mp4 too: before restyling on the left, after on the right'),
  bitrate: z
    .number()
    .min(0.05)
    .max(500)
    .optional()
    .describe(
      'Megabits a second of turntable.mp4, whose bytes then differ from run to run; by default constant quality, and equal bytes',
    ),
  memory: z
    .number()
    .min(0.01)
    .max(1024)
    .default(4)
    .describe('GiB of GPU memory that all pictures together may take'),
});

export type OrbitOptions = z.output<typeof orbitOptions>;
export type OrbitInput = z.input<typeof orbitOptions>;
