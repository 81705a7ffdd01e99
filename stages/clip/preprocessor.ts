import { z } from 'zod';
import { InputError } from '../../wgsl/core/index.ts';
import type { Fit } from '../../wgsl/image/crop-transforms.ts';
import { checkJson, readJson } from '../artefacts/json.ts';

const pixels = z.number().int().min(1).max(8192);
const rectangle = z.object({ height: pixels, width: pixels });
const rgb = (name: string) =>
  z.tuple([z.number(), z.number(), z.number()], { error: `three numbers are expected: ${name} of r, g, b` });

/** `preprocessor_config.json` of a CLIPImageProcessor, with the defaults of that class. */
const schema = z.object({
  do_center_crop: z.boolean().default(true),
  do_normalize: z.boolean().default(true),
  size: z.union([pixels, z.object({ shortest_edge: pixels }), rectangle]).default(224),
  crop_size: z.union([pixels, rectangle]).optional(),
  image_mean: rgb('means').default([0.48145466, 0.4578275, 0.40821073]),
  image_std: rgb('deviations').default([0.26862954, 0.26130258, 0.27577711]),
});

/** Preprocessing of the encoder's input: (rgb − mean)/deviation for rgb in [0, 1], and how a whole picture is resized. */
export interface Preprocessor {
  mean: readonly [number, number, number];
  deviation: readonly [number, number, number];
  fit: Fit;
}

/** `side`: input size of the encoder. @throws InputError with the file and the key. */
export async function readPreprocessor(path: string, side: number): Promise<Preprocessor> {
  const config = checkJson(path, schema, await readJson(path));
  const { size, crop_size: crop = side } = config;
  const fit: Fit =
    typeof size === 'number'
      ? { kind: 'shortest-edge', pixels: size }
      : 'shortest_edge' in size
        ? { kind: 'shortest-edge', pixels: size.shortest_edge }
        : { kind: 'exact', width: size.width, height: size.height };
  const cut = typeof crop === 'number' ? { width: crop, height: crop } : crop;
  const shown = config.do_center_crop ? cut : fit.kind === 'exact' ? fit : undefined;
  if (shown && (shown.width !== side || shown.height !== side)) {
    throw new InputError(
      `${config.do_center_crop ? 'crop_size' : 'size'} ${shown.width}×${shown.height} is not the ${side}×${side} of ` +
        'vision_config.image_size in config.json',
      path,
    );
  }
  if (config.image_std.some((value) => !(value > 0))) {
    throw new InputError(`image_std [${config.image_std}] must be above 0`, path);
  }
  return {
    mean: config.do_normalize ? config.image_mean : [0, 0, 0],
    deviation: config.do_normalize ? config.image_std : [1, 1, 1],
    fit,
  };
}
