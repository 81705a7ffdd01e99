import * as z from 'zod';
import type { Activation } from '../../../wgsl/nn/elementwise.ts';
import type { Preprocessor } from '../preprocessor.ts';
import type { TokenRule } from '../tokenizer.ts';
import type { Tower, Towers } from '../towers.ts';
import type { Placement } from '../weights.ts';

/** A family of models: how its configuration describes the towers, and where its files keep their weights. */
export interface Family {
  name: string;
  /** @throws InputError with the configuration file and the invalid key. */
  towers(path: string, config: unknown): Towers;
  /**
   * The preprocessing of pictures, from the file that describes it (`ModelFiles.preprocessor`, or the configuration itself).
   * `side`: input size of the encoder. @throws InputError with the file and the key.
   */
  preprocessor(path: string, config: unknown, side: number): Preprocessor;
  /** How texts become token ids. */
  tokens: TokenRule;
  place: Placement;
}

/** A size in a configuration. The largest public CLIP (ViT-bigG/14) is 1664 wide and 48 deep. */
export const count = (limit: number) => z.number().int().min(1).max(limit);

/** The sizes that all families have, within their bounds. */
export const SIZES = {
  width: count(2 ** 14),
  inner: count(2 ** 16),
  heads: count(256),
  layers: count(256),
  dimensions: count(2 ** 14),
  vocabulary: count(2 ** 22),
  length: count(4096),
  imageSize: count(4096),
  patch: count(512),
  epsilon: z.number().positive().max(1),
};

/** Activations by their names in Hugging Face's configurations. */
const ACTIVATIONS: Record<string, Activation> = {
  gelu: 'gelu',
  quick_gelu: 'quick_gelu',
  gelu_pytorch_tanh: 'gelu_tanh',
};

export const activation = z
  .enum(Object.keys(ACTIVATIONS), {
    error: `supported activations are ${Object.keys(ACTIVATIONS).join(', ')}`,
  })
  .transform((name) => ACTIVATIONS[name]);

/** What towers of all families have, from a configuration in transformers' names. */
export function commonShape(config: {
  hidden_size: number;
  num_attention_heads: number;
  num_hidden_layers: number;
  intermediate_size: number;
  hidden_act: Activation;
  layer_norm_eps: number;
}): Tower {
  return {
    width: config.hidden_size,
    heads: config.num_attention_heads,
    layers: config.num_hidden_layers,
    inner: config.intermediate_size,
    activation: config.hidden_act,
    epsilon: config.layer_norm_eps,
  };
}

/** Reports heads that do not divide the width. */
export function checkHeads(context: z.RefinementCtx, path: string[], width: number, heads: number): void {
  if (width % heads === 0) return;
  const message = `${heads} heads do not divide a width of ${width}`;
  context.addIssue({ code: 'custom', path, message });
}

/** Reports patches larger than the image. */
export function checkPatches(context: z.RefinementCtx, path: string[], side: number, patch: number): void {
  if (patch <= side) return;
  const message = `patches of ${patch} pixels are larger than the image's ${side}`;
  context.addIssue({ code: 'custom', path, message });
}
