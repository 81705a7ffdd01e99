import * as z from 'zod';
import type { Arena, Gpu, Recorder } from '../../wgsl/core/index.ts';
import type { CropTransform } from '../../wgsl/image/crop-transforms.ts';
import type { Homography } from '../../wgsl/image/homography.ts';
import type { View } from '../artefacts/dataset.ts';
import type { CropOptions } from '../clip/options.ts';
import type { ObjectiveMetrics, Picture } from '../optimizer/objectives.ts';
import type { RegionOption } from '../regions/options.ts';

/** One loss of restyling at work: one term of the objective, with its weight. */
export interface Loss {
  /** Uploads the parameters of the next step. */
  prepare?(step: number, view: View): void;
  /** After the encoder's forward pass: adds weight · dL/dembeds to its rows of `gradEmbeds`. */
  recordEmbeds?(recorder: Recorder, view: View): void;
  /** After the encoder's backward pass: adds weight · dL/drgb to `picture.gradient`. */
  recordPicture?(recorder: Recorder, view: View): void;
  /** The loss without its weight. */
  readonly metrics: ObjectiveMetrics;
}

/** Crops of a render that the image encoder sees in each step. Losses that name the same key share them. */
export type CropGroup = AffineCrops | WarpedCrops;

interface Crops {
  key: string;
  count: number;
}

export interface AffineCrops extends Crops {
  /** `count` crops of side `size`, a pure function of its arguments. */
  transforms(step: number, view: View, size: number): CropTransform[];
}

export interface WarpedCrops extends Crops {
  /** The same by homographies. */
  homographies(step: number, view: View, size: number): Homography[];
}

/** What a loss asks for. */
export interface LossNeeds {
  /** The base's render of the step's view, in `LossContext.base`. */
  base?: boolean;
  crops?: CropGroup;
  /** Embeddings of the base, in `LossEncoder.base`: of its whole view, or of the same crops. The latter need `base` too. */
  baseEmbeds?: 'view' | 'crop';
  /** The text that describes the base. */
  source?: string;
  /** Tokens of the whole view, in `LossEncoder.features`. At most one loss asks for them, with the crops `wholeViews`. */
  features?: boolean;
  /** The region of the masks in `LossContext.keep`. At most one loss asks for it. */
  keep?: RegionOption;
}

/** Settings that all losses share. */
export interface LossSettings {
  seed: number;
  /** The random crops of the stage. */
  crops: CropOptions;
}

/** The image encoder's output for all crop groups of a step, one row a crop. */
export interface LossEncoder {
  /** Width D of embeddings. */
  dimensions: number;
  /** f32 [B, D], not normalised, and dL/dembeds, which is zero before the first loss. */
  embeds: GPUBuffer;
  gradEmbeds: GPUBuffer;
  /** Embeddings of the base, not normalised: f32 [D] of its whole view of the step, f32 [B, D] of the same crops. As needed. */
  base: { view?: GPUBuffer; crops?: GPUBuffer };
  /** Present if needed. */
  features?: LossFeatures;
  /** The rows of a crop group. */
  rows(key: string): { first: number; count: number };
}

/** Tokens of the whole view of the step, after half of the encoder's layers. */
export interface LossFeatures {
  count: number;
  width: number;
  /** f32 [count, width], and dL/dtokens, which the loss overwrites. */
  tokens: GPUBuffer;
  gradTokens: GPUBuffer;
  /** f32 [count, width], each of unit length: those of the base. */
  base: GPUBuffer;
}

/** Embeddings of texts f32 [D], of unit length. */
export interface LossTexts {
  /** The prompt. */
  target: Float32Array;
  /** Any other text; computed once for each. */
  embed(text: string): Promise<Float32Array>;
}

/** What a loss works on. */
export interface LossContext {
  gpu: Gpu;
  /** Owns the loss's buffers. */
  arena: Arena;
  picture: Picture;
  /** Weight of the loss in the objective: that of its options, times that of the objective. */
  weight: number;
  /** f32 [H, W, 4]: the base's render of the step's view over the step's background, as `picture.color`. Present if needed. */
  base?: { color: GPUBuffer };
  /** The mask of a training view, if needed: rgba8 [H, W], in r how much of each pixel shows the region `LossNeeds.keep`, 0 to 1. */
  keep?: (view: View) => GPUBuffer;
  /** Present if the loss asks for crops. */
  encoder?: LossEncoder;
  texts: LossTexts;
}

/** Options that every loss has. */
export interface LossOptions {
  weight: number;
}

/** A row of the table of losses. */
export interface LossKind<Options extends LossOptions = LossOptions> {
  readonly name: string;
  /** One sentence without a full stop, for help and docs. */
  readonly summary: string;
  /** All options, the weight included, each required. */
  readonly options: z.ZodObject;
  readonly defaults: Options;
  /** @throws InputError when options contradict each other. */
  needs(options: Options, settings: LossSettings): LossNeeds;
  /** Called again when the picture's buffers are replaced. */
  create(context: LossContext, options: Options): Promise<Loss>;
}

/** The options of a loss whose settings have these schemas. */
type OptionsOf<Shape extends z.ZodRawShape> = LossOptions & {
  [Key in keyof Shape as undefined extends z.output<Shape[Key]> ? never : Key]: z.output<Shape[Key]>;
} & {
  [Key in keyof Shape as undefined extends z.output<Shape[Key]> ? Key : never]?: z.output<Shape[Key]>;
};

/** Declares a loss. `settings` are its options except the weight, each without a default; `defaults` has one for each that is required. */
export function defineLoss<Shape extends z.ZodRawShape>(
  kind: Omit<LossKind<OptionsOf<Shape>>, 'options'> & { settings: Shape },
): LossKind<OptionsOf<Shape>> {
  const { settings, ...rest } = kind;
  const weight = z.number().min(0).describe('Weight of the loss; 0 removes it');
  return { ...rest, options: z.strictObject({ weight, ...settings }) };
}
