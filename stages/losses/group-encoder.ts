import { type Arena, InputError, type Recorder } from '../../wgsl/core/index.ts';
import type { View } from '../artefacts/dataset.ts';
import { buildEncoder, type Encoder, type EncoderBackward } from '../clip/encoder.ts';
import type { ClipModel } from '../clip/model.ts';
import { tokenCount } from '../clip/towers.ts';
import type { ObjectiveMetrics } from '../optimizer/objectives.ts';
import { type BaseEmbeds, middleLayer } from './base-embeds.ts';
import { VIEW_CROPS } from './crop-groups.ts';
import { GroupSampler, orderGroups } from './group-sampler.ts';
import type { CropGroup, LossEncoder, LossFeatures } from './loss.ts';

/** Limit of a step's crops: the backward pass of the crops keeps all of them in the memory of a workgroup. */
const MAX_CROPS = 256;

/** The crops of all groups together. @throws InputError when there are too many. */
export function countCrops(groups: readonly CropGroup[]): number {
  const total = groups.reduce((sum, { count }) => sum + count, 0);
  if (total <= MAX_CROPS) return total;
  const parts = groups.map(({ key, count }) => `${key} ${count}`).join(', ');
  throw new InputError(
    `the losses ask for ${total} crops a step (${parts}), and ${MAX_CROPS} is the limit: reduce their counts`,
  );
}

function rowsOf(groups: readonly CropGroup[], key: string): { first: number; count: number } {
  let first = 0;
  for (const group of groups) {
    if (group.key === key) return { first, count: group.count };
    first += group.count;
  }
  throw new Error(`no loss asked for crops ${key}`);
}

export interface GroupEncoderOptions {
  model: ClipModel;
  groups: readonly CropGroup[];
  /** Embeddings of the base's views. */
  baseEmbeds?: BaseEmbeds;
  /** Whether the base is embedded in the same crops. */
  hasBaseCrops: boolean;
  /** Whether a loss reads the tokens of the whole view. */
  hasFeatures: boolean;
}

/** The image encoder for the crop groups of all losses, as one batch. */
export class GroupEncoder implements LossEncoder {
  readonly dimensions: number;
  readonly embeds: GPUBuffer;
  readonly gradEmbeds: GPUBuffer;
  /** Stops the optimisation when a gradient is not finite. */
  readonly metrics: ObjectiveMetrics;
  readonly base: { view?: GPUBuffer; crops?: GPUBuffer };
  readonly features?: LossFeatures;
  readonly #baseEmbeds?: BaseEmbeds;
  readonly #groups: readonly CropGroup[];
  readonly #sampler: GroupSampler;
  readonly #encoder: Encoder & { backward: EncoderBackward };

  private constructor(
    { groups, model, baseEmbeds, baseCrops }: GroupEncoderOptions & { baseCrops?: GPUBuffer },
    sampler: GroupSampler,
    encoder: Encoder & { backward: EncoderBackward },
  ) {
    this.#groups = groups;
    this.#sampler = sampler;
    this.#encoder = encoder;
    this.#baseEmbeds = baseEmbeds;
    if (encoder.tokens) {
      const { vision } = model.towers;
      this.features = {
        count: tokenCount(vision),
        width: vision.width,
        tokens: encoder.tokens,
        gradTokens: encoder.backward.gradTokens!,
        base: baseEmbeds!.tokens!,
      };
    }
    this.base = { view: baseEmbeds?.view, crops: baseCrops };
    this.dimensions = model.dimensions;
    this.embeds = encoder.embeds;
    this.gradEmbeds = encoder.backward.gradEmbeds;
    this.metrics = {
      buffer: sampler.nonFiniteStep,
      words: 1,
      read(words) {
        const [step] = new Uint32Array(words.slice().buffer);
        if (step) throw model.notFinite(`step ${step}: the gradient`);
        return {};
      },
    };
  }

  /** @throws InputError when there are too many crops, or a weight of the model is missing or invalid. */
  static async create(arena: Arena, options: GroupEncoderOptions): Promise<GroupEncoder> {
    const { model, hasBaseCrops } = options;
    const groups = orderGroups(options.groups);
    const batch = countCrops(groups);
    const { first, count } = options.hasFeatures ? rowsOf(groups, VIEW_CROPS) : { first: 0, count: 0 };
    const tap = options.hasFeatures ? { layer: middleLayer(model), first, count } : undefined;
    const encoder = await buildEncoder(arena, model, { batch, hasBackward: true, tap });
    const sampler = await GroupSampler.create(arena, model, groups, encoder.pixels);
    const baseCrops = hasBaseCrops ? arena.buffer('baseCrops', 4 * batch * model.dimensions) : undefined;
    return new GroupEncoder({ ...options, groups, baseCrops }, sampler, {
      ...encoder,
      backward: encoder.backward!,
    });
  }

  rows(key: string): { first: number; count: number } {
    return rowsOf(this.#groups, key);
  }

  /** Uploads the crops of the next step. */
  prepare(step: number, view: View): void {
    this.#sampler.prepare(step, view);
  }

  /** Embeddings of the base of the step's view, before `recordForward`. `color`: its render, where crops of it are needed. */
  recordBase(recorder: Recorder, view: View, color?: GPUBuffer): void {
    this.#baseEmbeds?.record(recorder, view);
    if (!this.base.crops) return;
    this.recordForward(recorder, color!);
    recorder.copy(this.embeds, this.base.crops, this.base.crops.size);
  }

  /** Crops of `image`, f32 [H, W, 4] → `embeds`. */
  recordForward(recorder: Recorder, image: GPUBuffer): void {
    this.#sampler.record(recorder, image);
    this.#encoder.recordForward(recorder);
  }

  /** After `recordForward` of the same image: adds the gradient of `gradEmbeds` to `gradImage`. */
  recordBackward(recorder: Recorder, image: GPUBuffer, gradImage: GPUBuffer): void {
    const { backward } = this.#encoder;
    backward.record(recorder);
    this.#sampler.recordBackward(recorder, image, backward.gradPixels, gradImage);
  }
}
