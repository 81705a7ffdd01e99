import * as z from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import type { Fit } from '../../wgsl/image/crop-transforms.ts';
import { checkJson } from '../artefacts/json.ts';

type Rgb = [number, number, number];

/** Preprocessing of the encoder's input: (rgb − mean)/deviation for rgb in [0, 1], and how a whole picture is resized. */
export interface Preprocessor {
  mean: Readonly<Rgb>;
  deviation: Readonly<Rgb>;
  fit: Fit;
}

/** What a class of image processors does unless its configuration says otherwise. */
interface ProcessorDefaults {
  mean: Rgb;
  deviation: Rgb;
  isCropped: boolean;
}

/** The means and deviations of OpenAI's training pictures. */
export const OPENAI_PIXELS: { mean: Rgb; deviation: Rgb } = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  deviation: [0.26862954, 0.26130258, 0.27577711],
};
/** transformers' CLIPImageProcessor and SiglipImageProcessor. */
export const CLIP_PROCESSOR: ProcessorDefaults = { ...OPENAI_PIXELS, isCropped: true };
export const SIGLIP_PROCESSOR: ProcessorDefaults = {
  mean: [0.5, 0.5, 0.5],
  deviation: [0.5, 0.5, 0.5],
  isCropped: false,
};

export const rgb = (name: string) =>
  z.tuple([z.number(), z.number(), z.number()], { error: `three numbers are expected: ${name} of r, g, b` });
const pixels = z.number().int().min(1).max(8192);
const rectangle = z.object({ height: pixels, width: pixels });

/** `preprocessor_config.json` of an image processor; null is the default. */
const schema = z.object({
  do_resize: z.literal(true, { error: 'is not supported: only true is' }).nullish(),
  do_rescale: z.literal(true, { error: 'is not supported: only true is' }).nullish(),
  rescale_factor: z
    .number()
    .refine((factor) => Math.abs(255 * factor - 1) < 1e-6, 'is not supported: only 1/255 is')
    .nullish(),
  do_center_crop: z.boolean().nullish(),
  do_normalize: z.boolean().nullish(),
  size: z.union([pixels, z.object({ shortest_edge: pixels }), rectangle]).nullish(),
  crop_size: z.union([pixels, rectangle]).nullish(),
  image_mean: rgb('means').nullish(),
  image_std: rgb('deviations').nullish(),
});

/**
 * The preprocessing of transformers' image processors. `config` is that of `preprocessor_config.json`, or a
 * `processor_config.json` that contains it. `side`: input size of the encoder.
 * @throws InputError with the file and the key.
 */
export function parseProcessor(
  path: string,
  config: unknown,
  side: number,
  defaults: ProcessorDefaults,
): Preprocessor {
  const own = Object(config).image_processor ?? config;
  const parsed = checkJson(path, schema, own);
  const { do_center_crop, size, crop_size } = parsed;
  const isCropped = do_center_crop ?? defaults.isCropped;
  const fit = fitOf(size ?? (isCropped ? side : { width: side, height: side }));
  const crop = crop_size ?? side;
  const cut = typeof crop === 'number' ? { width: crop, height: crop } : crop;
  const shown = isCropped ? cut : fit.kind === 'exact' ? fit : undefined;
  if (shown && (shown.width !== side || shown.height !== side)) {
    throw new InputError(
      `${isCropped ? 'crop_size' : 'size'} ${shown.width}×${shown.height} is not the ${side}×${side} of ` +
        'vision_config.image_size in config.json',
      path,
    );
  }
  const mean = parsed.image_mean ?? defaults.mean;
  const deviation = parsed.image_std ?? defaults.deviation;
  checkDeviation(path, 'image_std', deviation);
  return parsed.do_normalize === false
    ? { mean: [0, 0, 0], deviation: [1, 1, 1], fit }
    : { mean, deviation, fit };
}

function fitOf(size: number | { shortest_edge: number } | { width: number; height: number }): Fit {
  if (typeof size === 'number') return { kind: 'shortest-edge', pixels: size };
  if ('shortest_edge' in size) return { kind: 'shortest-edge', pixels: size.shortest_edge };
  return { kind: 'exact', width: size.width, height: size.height };
}

/** @throws InputError when a deviation is not positive. */
export function checkDeviation(path: string, key: string, deviation: readonly number[]): void {
  if (deviation.some((value) => !(value > 0)))
    throw new InputError(`${key} [${deviation}] must be above 0`, path);
}
