import { access } from 'node:fs/promises';
import { basename } from 'node:path';
import { buildCosineEncoder } from '../../../stages/clip/encoder.ts';
import { readConfig } from '../../../stages/clip/families/index.ts';
import { packVision } from '../../../stages/clip/packed-vision.ts';
import { type Precision, resolvePrecision } from '../../../stages/clip/precision.ts';
import type { SafeTensor } from '../../../stages/clip/safetensors.ts';
import { encodeTexts } from '../../../stages/clip/text.ts';
import type { TextTower } from '../../../stages/clip/towers.ts';
import { loadVision } from '../../../stages/clip/vision.ts';
import { ModelWeights } from '../../../stages/clip/weights.ts';
import { type Gpu, InputError, type KernelTarget } from '../../../wgsl/core/index.ts';
import type { Layout, Row } from '../layout.ts';
import { absoluteRow, gradientRow, Shapes } from './compare.ts';

/** Relative in L2. */
const LIMITS = {
  f32: { embedding: 1e-4, gradient: 1e-3 },
  f16: { embedding: 2e-3, gradient: 2e-2 },
} as const;

/**
 * Inputs and outputs of transformers' CLIPModel or SiglipModel, or of OpenCLIP's CLIP: `X_io.safetensors`, with the model in `X_model.safetensors` and
 * `X_config.json` beside it. `pixel_values` [B,3,S,S], `input_ids` [B,L], raw `image_embeds` and `text_embeds` [B,D],
 * `cosine` [B] of image b with text b, `grad_pixel_values` = d Σ cosine / d pixel_values.
 */
export const clipLayout: Layout = {
  name: 'clip',
  recognises: (names) => isInputOutput(names) || isModel(names),
  async check(gpu, path, tensors) {
    if (!isInputOutput([...tensors.keys()])) return [await modelRow(path)];
    const rows = await checkClip(gpu, path, tensors);
    const { towers } = await readConfig(sibling(path, 'config.json'));
    if (resolvePrecision(gpu, towers, 'auto') === 'f32') return rows;
    return [...rows, ...(await checkClip(gpu, path, tensors, { precision: 'f16' }))];
  },
};

/** As `clipLayout.check`, in one precision and with the kernel variants of `target`. */
export async function checkClip(
  gpu: Gpu,
  path: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  { precision = 'f32', target = gpu.target }: { precision?: Precision; target?: KernelTarget } = {},
): Promise<Row[]> {
  const { family, towers } = await readConfig(sibling(path, 'config.json'));
  const file = sibling(path, 'model.safetensors');
  const weights = await ModelWeights.open({ path: file, parts: [file] }, family.place);
  const shapes = new Shapes(path, tensors);
  const side = towers.vision.imageSize;
  const pixels = shapes.floats('pixel_values', ['B', 3, side, side]);
  const gradient = shapes.floats('grad_pixel_values', ['B', 3, side, side]);
  const embeds = ['B', towers.dimensions] as const;
  const textEmbeds = shapes.floats('text_embeds', embeds);
  const imageEmbeds = shapes.floats('image_embeds', embeds);
  const cosines = shapes.floats('cosine', ['B']);
  const batch = shapes.size('B');
  const ids = readIds(path, tensors.get('input_ids'), towers.text, batch);
  const texts = await encodeTexts(gpu, towers, weights, ids);

  const arena = gpu.arena('reference/clip');
  try {
    const targets = arena.upload('targets', normalised(textEmbeds, towers.dimensions), 'test');
    const model = {
      precision,
      towers,
      vision: () => loadVision(arena, towers, weights),
      packedVision: () => packVision(arena, towers, weights),
    };
    const encoder = await buildCosineEncoder(arena, model, {
      batch,
      targets,
      isShared: false,
      hasBackward: true,
      target,
    });
    const { gradCosines, gradPixels, record } = encoder.backward!;
    gpu.write(encoder.pixels, pixels, 'test');
    gpu.write(gradCosines, new Float32Array(batch).fill(1), 'test');
    gpu.run('reference/clip', (recorder) => {
      encoder.recordForward(recorder);
      record(recorder);
    });
    const read = (buffer: GPUBuffer, like: Float32Array) => gpu.readFloats(buffer, 'test', like.length);
    const limit = LIMITS[precision];
    const embedding = { l2: limit.embedding };
    const rows = [
      gradientRow('image_embeds', await read(encoder.embeds, imageEmbeds), imageEmbeds, embedding),
      absoluteRow('cosine', await read(encoder.cosines, cosines), cosines, limit.embedding),
      gradientRow('grad_pixel_values', await read(gradPixels, gradient), gradient, { l2: limit.gradient }),
    ];
    if (precision === 'f16') return rows.map((row) => ({ ...row, tensor: `${row.tensor} in f16` }));
    // Texts are embedded in f32 only.
    return [gradientRow('text_embeds', texts, textEmbeds, embedding), ...rows];
  } finally {
    arena.destroy();
  }
}

function isInputOutput(names: readonly string[]): boolean {
  return names.includes('grad_pixel_values') && names.includes('image_embeds');
}

function isModel(names: readonly string[]): boolean {
  const images = ['visual_projection.weight', 'vision_model.head.probe', 'visual.proj'];
  const texts = ['text_projection.weight', 'text_model.head.weight', 'text_projection'];
  return [images, texts].every((candidates) => candidates.some((name) => names.includes(name)));
}

/** A model has no numbers of its own to compare: it is checked with its `_io` file. */
async function modelRow(path: string): Promise<Row> {
  const io = sibling(path, 'io.safetensors');
  const there = await access(io).then(
    () => true,
    () => false,
  );
  const error = there ? `see ${basename(io)}` : `${basename(io)} is missing`;
  return { tensor: 'weights', error, limit: 'checked with its _io file', pass: there };
}

function sibling(path: string, name: string): string {
  const match = /^(.*_)(io|model)\.safetensors$/.exec(path);
  if (!match)
    throw new InputError(
      'is named neither X_io.safetensors nor X_model.safetensors, so its pair is unknown',
      path,
    );
  return match[1] + name;
}

/** Rows of ids, checked against the model's length and vocabulary. */
function readIds(
  path: string,
  ids: SafeTensor | undefined,
  { length: longest, vocabulary }: TextTower,
  batch: number,
) {
  const expected = `[${batch}, 1 to ${longest}]`;
  if (!ids) throw new InputError(`tensor "input_ids" is missing; ${expected} is expected`, path);
  const [rows, length] = ids.shape;
  if (ids.shape.length !== 2 || rows !== batch || length < 1 || length > longest) {
    throw new InputError(`tensor "input_ids" is [${ids.shape}]; ${expected} is expected`, path);
  }
  const wrong = ids.data.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabulary);
  if (wrong >= 0) {
    throw new InputError(`input_ids[${wrong}] is ${ids.data[wrong]}, of a vocabulary of ${vocabulary}`, path);
  }
  return Array.from({ length: rows }, (_, i) => ids.data.subarray(i * length, (i + 1) * length));
}

function normalised(rows: Float32Array, width: number): Float32Array {
  const unit = Float32Array.from(rows);
  for (let start = 0; start < unit.length; start += width) {
    const row = unit.subarray(start, start + width);
    const length = Math.hypot(...row);
    for (let i = 0; i < width; i++) row[i] /= length;
  }
  return unit;
}
