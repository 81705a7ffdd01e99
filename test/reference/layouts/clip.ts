import { access } from 'node:fs/promises';
import { basename } from 'node:path';
import { readClipConfig } from '../../../stages/clip/config.ts';
import { readSafetensors, type SafeTensor } from '../../../stages/clip/safetensors.ts';
import { encodeTexts } from '../../../stages/clip/text.ts';
import { imageEncoder, loadVision } from '../../../stages/clip/vision.ts';
import { type Gpu, InputError } from '../../../wgsl/core/index.ts';
import { cosine } from '../../../wgsl/nn/cosine.ts';
import { Graph } from '../../../wgsl/nn/graph.ts';
import { Program } from '../../../wgsl/nn/program.ts';
import type { Tuning } from '../../../wgsl/nn/tuning.ts';
import type { Layout, Row } from '../layout.ts';

/** Relative in L2. */
const EMBEDDING_LIMIT = 1e-4;
const GRADIENT_LIMIT = 1e-3;

const IO_TENSORS = [
  'pixel_values',
  'input_ids',
  'image_embeds',
  'text_embeds',
  'cosine',
  'grad_pixel_values',
];

/**
 * Inputs and outputs of transformers' CLIPModel: `X_io.safetensors`, with the model in `X_model.safetensors` and
 * `X_config.json` beside it. `pixel_values` [B,3,S,S], `input_ids` [B,L], raw `image_embeds` and `text_embeds` [B,D],
 * `cosine` [B] of image b with text b, `grad_pixel_values` = d Σ cosine / d pixel_values.
 */
export const clipLayout: Layout = {
  name: 'clip',
  recognises: (names) => isInputOutput(names) || isModel(names),
  async check(gpu, path, tensors) {
    if (!isInputOutput([...tensors.keys()])) return [await modelRow(path)];
    return checkClip(gpu, path, tensors);
  },
};

/** As `clipLayout.check`, with kernel shapes of one's choice. */
export async function checkClip(
  gpu: Gpu,
  path: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  tuning?: Tuning,
): Promise<Row[]> {
  const config = await readClipConfig(sibling(path, 'config.json'));
  const model = await readSafetensors(sibling(path, 'model.safetensors'));
  const tensor = (name: string): SafeTensor => {
    const found = tensors.get(name);
    if (!found)
      throw new InputError(`tensor "${name}" is missing; the layout has ${IO_TENSORS.join(', ')}`, path);
    return found;
  };
  const ids = tensor('input_ids');
  const length = ids.shape[1];
  const rows = Array.from({ length: ids.shape[0] }, (_, i) =>
    ids.data.subarray(i * length, (i + 1) * length),
  );
  const texts = await encodeTexts(gpu, config, model, rows);
  const targets = normalised(tensor('text_embeds').data as Float32Array, config.projection_dim);

  const arena = gpu.arena('reference/clip');
  try {
    const pixels = tensor('pixel_values');
    const batch = pixels.shape[0];
    const graph = new Graph();
    const input = graph.input('pixels', pixels.shape, true);
    const places = arena.buffer('places', 4 * batch);
    const weights = loadVision(arena, config, model);
    const image = imageEncoder(graph, input, weights, config.vision_config.patch_size, places);
    const cos = cosine(graph, 'cosine', image, arena.upload('targets', targets, 'test'), false);
    const program = await Program.compile(arena, graph, { outputs: [image, cos], seeds: [cos], tuning });
    gpu.write(program.buffer(input), pixels.data, 'test');
    gpu.write(program.gradient(cos), new Float32Array(batch).fill(1), 'test');
    gpu.run('reference/clip', (recorder) => {
      program.recordForward(recorder);
      program.recordBackward(recorder);
    });
    const read = (buffer: GPUBuffer, like: string) =>
      gpu.readFloats(buffer, 'test', tensor(like).data.length);
    return [
      row('text_embeds', texts, tensor('text_embeds'), EMBEDDING_LIMIT),
      row(
        'image_embeds',
        await read(program.buffer(image), 'image_embeds'),
        tensor('image_embeds'),
        EMBEDDING_LIMIT,
      ),
      row('cosine', await read(program.buffer(cos), 'cosine'), tensor('cosine'), EMBEDDING_LIMIT),
      row(
        'grad_pixel_values',
        await read(program.gradient(input), 'grad_pixel_values'),
        tensor('grad_pixel_values'),
        GRADIENT_LIMIT,
      ),
    ];
  } finally {
    arena.destroy();
  }
}

function isInputOutput(names: readonly string[]): boolean {
  return names.includes('grad_pixel_values') && names.includes('image_embeds');
}

function isModel(names: readonly string[]): boolean {
  return names.includes('visual_projection.weight') && names.includes('text_projection.weight');
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

function row(tensor: string, found: Float32Array, expected: SafeTensor, limit: number): Row {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.data.length; i++) {
    difference += (found[i] - expected.data[i]) ** 2;
    norm += expected.data[i] ** 2;
  }
  const error = Math.sqrt(difference / norm);
  return {
    tensor,
    error: `${error.toExponential(2)} relative L2`,
    limit: limit.toExponential(0),
    pass: error <= limit,
  };
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
