import type { Activation } from '../../wgsl/nn/elementwise.ts';

/** A transformer of pre-norm layers. */
export interface Tower {
  /** Numbers per token. */
  width: number;
  /** Attention heads; they divide `width`. */
  heads: number;
  layers: number;
  /** Width between the two linear layers of an MLP. */
  inner: number;
  activation: Activation;
  /** Added to the variance in every layer normalisation. */
  epsilon: number;
}

/** The image encoder: patches → tokens → layers → one embedding. */
export interface VisionTower extends Tower {
  /** Side of the square input, pixels. */
  imageSize: number;
  /** Side of a patch, pixels; pixels beyond the last whole patch are ignored. */
  patch: number;
  hasPatchBias: boolean;
  /** Whether a class embedding comes before the tokens of the patches. */
  hasClassToken: boolean;
  /** Whether the tokens are normalised before the first layer. */
  hasPreNorm: boolean;
  /** `class`: the output is the class token. `attention`: a learnt query attends to all tokens, and a residual MLP follows. */
  pooling: 'class' | 'attention';
  /** Whether a linear layer without bias maps the pooled token to the embedding; otherwise it is the embedding. */
  hasProjection: boolean;
}

/**
 * Which token of a text is its embedding: the first with the largest id, the first with a given id (the first of all if there is
 * none), or the last.
 */
export type TextPooling = { kind: 'largest-id' } | { kind: 'id'; id: number } | { kind: 'last' };

/** The text encoder: token ids → layers → one embedding. A linear layer maps the pooled token to it. */
export interface TextTower extends Tower {
  /** Number of token ids. */
  vocabulary: number;
  /** Tokens of a text, padding included. */
  length: number;
  isCausal: boolean;
  pooling: TextPooling;
  hasProjectionBias: boolean;
}

/** The shape of a model, whatever its family. */
export interface Towers {
  vision: VisionTower;
  text: TextTower;
  /** Width of embeddings. */
  dimensions: number;
}

/** Patches of an image. */
export function patchCount({ imageSize, patch }: VisionTower): number {
  return Math.floor(imageSize / patch) ** 2;
}

/** Tokens of an image in the layers. */
export function tokenCount(tower: VisionTower): number {
  return patchCount(tower) + Number(tower.hasClassToken);
}

/** Index of the token that is the embedding of a text. */
export function poolIndex(ids: ArrayLike<number>, pooling: TextPooling): number {
  const list = Array.from(ids);
  switch (pooling.kind) {
    case 'last':
      return list.length - 1;
    case 'largest-id':
      return list.indexOf(list.reduce((a, b) => Math.max(a, b)));
    case 'id':
      return Math.max(0, list.indexOf(pooling.id));
  }
}
