import { defineElementwise, dispatchElements } from './dispatch.ts';
import { type Graph, size, type Tensor, tensor } from './graph.ts';

export const PATCHIFY = defineElementwise('nn/patchify', new URL('./patchify.wgsl', import.meta.url));
export const PATCHIFY_BACKWARD = defineElementwise(
  'nn/patchify-backward',
  new URL('./patchify-backward.wgsl', import.meta.url),
);
export const IMAGE_TOKENS = defineElementwise(
  'nn/image-tokens',
  new URL('./image-tokens.wgsl', import.meta.url),
);
export const IMAGE_TOKENS_BACKWARD = defineElementwise(
  'nn/image-tokens-backward',
  new URL('./image-tokens-backward.wgsl', import.meta.url),
);
export const TEXT_TOKENS = defineElementwise(
  'nn/text-tokens',
  new URL('./text-tokens.wgsl', import.meta.url),
);
export const POOL = defineElementwise('nn/pool', new URL('./pool.wgsl', import.meta.url));
export const POOL_BACKWARD = defineElementwise(
  'nn/pool-backward',
  new URL('./pool-backward.wgsl', import.meta.url),
);

/**
 * Images [B, C, S, S] → patches [B·⌊S/patch⌋², C·patch²], so that a patch embedding (a convolution with stride = kernel size) is
 * a linear layer. Ignores pixels beyond the last whole patch.
 */
export function patchify(graph: Graph, label: string, pixels: Tensor, patch: number): Tensor {
  const [batch, channels, side, width] = pixels.shape;
  if (side !== width) throw new Error(`${label} takes square images, got ${side}×${width}`);
  const grid = Math.floor(side / patch);
  const output = tensor(label, [batch * grid * grid, channels * patch * patch], [pixels]);
  const shape = { channels, side, patchSide: patch, grid };
  return graph.add({
    label,
    inputs: [pixels],
    output,
    async forward(context) {
      const sizes = { count: size(output), ...shape };
      const bindings = { pixels: context.buffer(pixels), patches: context.buffer(output) };
      return [await dispatchElements(context, PATCHIFY, { sizes, bindings })];
    },
    async backward(context) {
      const { gradient, accumulates } = context;
      const sizes = { accumulates: Number(accumulates(pixels)), count: size(pixels), ...shape };
      const bindings = { gradPatches: gradient(output), gradX: gradient(pixels) };
      return [await dispatchElements(context, PATCHIFY_BACKWARD, { sizes, bindings })];
    },
  });
}

/** Weights of `imageTokens` on the GPU. */
export interface ImageTokenWeights {
  /** [width]; without it the patches are all tokens. */
  classEmbedding?: GPUBuffer;
  /** [tokens, width] */
  positionEmbedding: GPUBuffer;
}

/** Embedded patches [B·patches, width] → tokens [B, (1 +) patches, width] (Dosovitskiy et al. 2021, eq. 1). */
export function imageTokens(
  graph: Graph,
  label: string,
  patches: Tensor,
  batch: number,
  weights: ImageTokenWeights,
): Tensor {
  const [rows, width] = patches.shape;
  const { classEmbedding, positionEmbedding } = weights;
  const shape = { width, patches: rows / batch, classTokens: Number(Boolean(classEmbedding)) };
  const output = tensor(label, [batch, shape.classTokens + shape.patches, width], [patches]);
  return graph.add({
    label,
    inputs: [patches],
    output,
    async forward(context) {
      const sizes = { count: size(output), ...shape };
      const bindings = {
        patches: context.buffer(patches),
        // Without a class embedding the kernel does not read this binding.
        classEmbedding: classEmbedding ?? positionEmbedding,
        positionEmbedding,
        tokens: context.buffer(output),
      };
      return [await dispatchElements(context, IMAGE_TOKENS, { sizes, bindings })];
    },
    async backward(context) {
      const { gradient, accumulates } = context;
      const sizes = { accumulates: Number(accumulates(patches)), count: size(patches), ...shape };
      const bindings = { gradTokens: gradient(output), gradX: gradient(patches) };
      return [await dispatchElements(context, IMAGE_TOKENS_BACKWARD, { sizes, bindings })];
    },
  });
}

/** Weights of `textTokens` on the GPU. */
export interface TextTokenWeights {
  /** [vocabulary, width] */
  tokenEmbedding: GPUBuffer;
  /** [length, width] */
  positionEmbedding: GPUBuffer;
}

/** Token ids u32 [T, length], each below the size of the vocabulary → tokens [T, length, width]. Ids have no gradient. */
export function textTokens(
  graph: Graph,
  label: string,
  ids: GPUBuffer,
  shape: readonly [texts: number, length: number, width: number],
  { tokenEmbedding, positionEmbedding }: TextTokenWeights,
): Tensor {
  const output = tensor(label, shape);
  const [, length, width] = shape;
  return graph.add({
    label,
    inputs: [],
    output,
    async forward(context) {
      const sizes = { count: size(output), width, length };
      const bindings = { ids, tokenEmbedding, positionEmbedding, tokens: context.buffer(output) };
      return [await dispatchElements(context, TEXT_TOKENS, { sizes, bindings })];
    },
    async backward() {
      throw new Error(`${label}: ids have no gradient`);
    },
  });
}

/** One token of each sequence: [B, length, width] → [B, width]. `indices` u32 [B], each below length, selects the token. */
export function pool(graph: Graph, label: string, tokens: Tensor, indices: GPUBuffer): Tensor {
  const [batch, length, width] = tokens.shape;
  const output = tensor(label, [batch, width], [tokens]);
  return graph.add({
    label,
    inputs: [tokens],
    output,
    async forward(context) {
      const sizes = { count: size(output), width, length };
      const bindings = { tokens: context.buffer(tokens), indices, pooled: context.buffer(output) };
      return [await dispatchElements(context, POOL, { sizes, bindings })];
    },
    async backward(context) {
      const { gradient, accumulates } = context;
      const sizes = { accumulates: Number(accumulates(tokens)), count: size(tokens), width, length };
      const bindings = { gradPooled: gradient(output), indices, gradX: gradient(tokens) };
      return [await dispatchElements(context, POOL_BACKWARD, { sizes, bindings })];
    },
  });
}
