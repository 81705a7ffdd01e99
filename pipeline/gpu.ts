/**
 * The GPU library: the exports of `splatline/gpu`, described with examples in docs/gpu-library.md. Its import does not need
 * Node: browsers and Deno pass their own `GPUDevice` to `openGpu({ device })`. Only `openClip` reads files; it
 * loads its modules at the first call.
 */
import type { ClipModel } from '../stages/clip/model.ts';
import type { Gpu } from '../wgsl/core/index.ts';

export { ClipObjective, type ClipObjectiveOptions } from '../stages/clip/objective.ts';
export {
  type AdapterReport,
  type Arena,
  type Bindings,
  type BoundKernel,
  type Constants,
  type Data,
  defineKernel,
  describeMissing,
  type Gpu,
  GpuError,
  gridFor,
  InputError,
  type Kernel,
  type KernelDefinition,
  type KernelTarget,
  type KernelUse,
  type KernelVariant,
  type LimitName,
  loopingGrid,
  type MissingLimit,
  missingLimits,
  NEEDED_LIMITS,
  type OpenOptions,
  openGpu,
  type Place,
  Profiler,
  type Purpose,
  permutation,
  RANDOM,
  type RandomPurpose,
  Readback,
  type ReadbackOptions,
  type ReadbackPart,
  type ReadbackParts,
  type ReadbackSlot,
  type Recorder,
  random4,
  randomInt,
  type SpanTotal,
  type StructLayout,
} from '../wgsl/core/index.ts';
export type { CropAugment } from '../wgsl/image/crop-transforms.ts';
export { FromRgba8 } from '../wgsl/image/from-rgba8.ts';
export { type LossOptions, PhotometricLoss } from '../wgsl/image/photometric.ts';
export { PhotometricMetrics, psnr } from '../wgsl/image/photometric-metrics.ts';
export type { BoundPhoto, PictureOptions, PictureSize } from '../wgsl/image/picture.ts';
export { ToRgba8 } from '../wgsl/image/to-rgba8.ts';
export { Adam, type AdamOptions, type AdamTensor } from '../wgsl/optim/adam.ts';
export { RadixSort, type RadixSortOptions } from '../wgsl/sort/radix-sort.ts';
export { Scan, type ScanOptions } from '../wgsl/sort/scan.ts';
// Gaussians.
export { ParameterGradients } from '../wgsl/splat/parameter-gradients.ts';
export { Rasterizer, type RasterizerOptions } from '../wgsl/splat/rasterizer.ts';
export { RasterizerBackward } from '../wgsl/splat/rasterizer-backward.ts';
export { type Gaussians, type RenderTarget, SplatRenderer } from '../wgsl/splat/renderer.ts';
export {
  type GaussianBuffers,
  type PinholeCamera,
  RASTER_COUNTERS,
  type Rgb,
  type ViewOptions,
} from '../wgsl/splat/types.ts';
export { SplatAdam, type SplatAdamOptions, type SplatRates } from '../wgsl/splat/update/splat-adam.ts';
export type { ClipModel };

/**
 * Opens a CLIP model in the Hugging Face layout (`config.json`, `tokenizer.json`, `preprocessor_config.json`,
 * `model.safetensors` in f32, f16 or bf16). Node and Deno only. Uploads no weights until an objective needs them.
 *
 * @param name path of the folder, or `owner/name[@revision]` in the cache of the Hugging Face Hub, which `splatline models add`
 *   fills; without it, the small model of the package.
 * @throws InputError with the file and its fault.
 */
export async function openClip(gpu: Gpu, name?: string): Promise<ClipModel> {
  const model = await import('../stages/clip/model.ts');
  return model.openClip(gpu, name);
}
