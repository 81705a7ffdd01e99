import type { Arena, Recorder } from '../../wgsl/core/index.ts';
import { CropSampler } from '../../wgsl/image/crop.ts';
import { WarpSampler } from '../../wgsl/image/warp.ts';
import type { View } from '../artefacts/dataset.ts';
import type { ClipModel } from '../clip/model.ts';
import type { AffineCrops, CropGroup, WarpedCrops } from './loss.ts';

/** The crops of all groups, in one batch: affine ones first, then those by homographies. */
export class GroupSampler {
  /** u32 [1]: the first step, from 1, whose gradient was not finite; 0 if there was none. */
  readonly nonFiniteStep: GPUBuffer;
  readonly #size: number;
  readonly #affine: readonly AffineCrops[];
  readonly #warped: readonly WarpedCrops[];
  readonly #crops?: CropSampler;
  readonly #warps?: WarpSampler;

  private constructor(
    size: number,
    groups: readonly CropGroup[],
    nonFiniteStep: GPUBuffer,
    { crops, warps }: { crops?: CropSampler; warps?: WarpSampler },
  ) {
    this.#size = size;
    this.#affine = affineOf(groups);
    this.#warped = warpedOf(groups);
    this.nonFiniteStep = nonFiniteStep;
    this.#crops = crops;
    this.#warps = warps;
  }

  /** `pixels`, f32 [B, 3, S, S], receives the crops of `groups`, in the order of `orderGroups`. */
  static async create(
    arena: Arena,
    model: ClipModel,
    groups: readonly CropGroup[],
    pixels: GPUBuffer,
  ): Promise<GroupSampler> {
    const { mean, deviation } = model.preprocessor;
    const size = model.imageSize;
    const first = total(affineOf(groups));
    const warped = total(warpedOf(groups));
    const crops = first
      ? await CropSampler.create(arena, { batch: first, size, mean, deviation }, pixels)
      : undefined;
    const nonFiniteStep = crops?.nonFiniteStep ?? arena.buffer('nonFiniteStep', 4);
    const target = { pixels, first, nonFiniteStep };
    const warps = warped
      ? await WarpSampler.create(arena, { batch: warped, size, mean, deviation }, target)
      : undefined;
    return new GroupSampler(size, groups, nonFiniteStep, { crops, warps });
  }

  /** Uploads the crops of the next step. */
  prepare(step: number, view: View): void {
    const { width, height } = view.camera;
    const transforms = this.#affine.flatMap((group) => group.transforms(step, view, this.#size));
    this.#crops?.set(width, height, transforms, step + 1);
    const homographies = this.#warped.flatMap((group) => group.homographies(step, view, this.#size));
    this.#warps?.set(width, height, homographies, step + 1);
  }

  /** Cuts the crops out of `image`, f32 [H, W, 4]. */
  record(recorder: Recorder, image: GPUBuffer): void {
    this.#crops?.record(recorder, image);
    this.#warps?.record(recorder, image);
  }

  /** After `record`: adds the gradient of `gradPixels` to `gradImage`. */
  recordBackward(recorder: Recorder, image: GPUBuffer, gradPixels: GPUBuffer, gradImage: GPUBuffer): void {
    this.#crops?.recordBackward(recorder, image, gradPixels, gradImage);
    this.#warps?.recordBackward(recorder, image, gradPixels, gradImage);
  }
}

/** Groups in the order of their rows in the batch. */
export function orderGroups(groups: readonly CropGroup[]): CropGroup[] {
  return [...affineOf(groups), ...warpedOf(groups)];
}

function affineOf(groups: readonly CropGroup[]): AffineCrops[] {
  return groups.filter((group): group is AffineCrops => 'transforms' in group);
}

function warpedOf(groups: readonly CropGroup[]): WarpedCrops[] {
  return groups.filter((group): group is WarpedCrops => 'homographies' in group);
}

function total(groups: readonly CropGroup[]): number {
  return groups.reduce((sum, { count }) => sum + count, 0);
}
