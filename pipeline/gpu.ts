/**
 * The GPU library: the exports of `splatline/gpu`. Its import needs no Node: browsers and Deno pass a `GPUDevice` of
 * their own to `openGpu({ device })`. Only `openClip` reads files; it loads its modules at the first call.
 */
import type { ClipModel } from '../stages/clip/model.ts';
import type { Gpu } from '../wgsl/core/index.ts';

export { ClipObjective, type ClipObjectiveOptions } from '../stages/clip/objective.ts';
export {
  type AdapterReport,
  Arena,
  type Bindings,
  type BoundKernel,
  type Constants,
  type Data,
  defineKernel,
  describeMissing,
  Gpu,
  GpuError,
  type GpuOptions,
  gridFor,
  InputError,
  Kernel,
  type KernelDefinition,
  type KernelSpec,
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
  type Purpose,
  Recorder,
} from '../wgsl/core/index.ts';
export type { CropAugment } from '../wgsl/image/crop-transforms.ts';
export { type LossOptions, PhotometricLoss } from '../wgsl/image/photometric.ts';
export { PhotometricMetrics, psnr } from '../wgsl/image/photometric-metrics.ts';
export type { BoundPhoto, PictureOptions, PictureSize } from '../wgsl/image/picture.ts';
export { Adam, type AdamOptions, type AdamTensor } from '../wgsl/optim/adam.ts';
export { RadixSort, type RadixSortOptions } from '../wgsl/sort/radix-sort.ts';
export { Scan, type ScanOptions } from '../wgsl/sort/scan.ts';
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
 * Opens a CLIP model folder of the Hugging Face layout (`config.json`, `tokenizer.json`, `preprocessor_config.json`,
 * `model.safetensors` in f32, f16 or bf16); without `directory`, the small model of the package. Node and Deno only.
 *
 * @throws InputError with the file and its fault.
 */
export async function openClip(gpu: Gpu, directory?: string): Promise<ClipModel> {
  const model = await import('../stages/clip/model.ts');
  return model.openClip(gpu, directory);
}
