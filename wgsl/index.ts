/**
 * The GPU library: what `splatline/gpu` exports. It reads no pipeline file and needs no Node: a `GPUDevice` of a browser or
 * of Deno goes into `openGpu({ device })`.
 */
export * from './core/index.ts';
export { PhotometricLoss } from './image/photometric.ts';
export { Adam } from './optim/adam.ts';
export { RadixSort } from './sort/radix-sort.ts';
export { Scan } from './sort/scan.ts';
export { Rasterizer } from './splat/rasterizer.ts';
export { RasterizerBackward } from './splat/rasterizer-backward.ts';
export { SplatRenderer } from './splat/renderer.ts';
export type { GaussianBuffers, PinholeCamera, ViewOptions } from './splat/types.ts';
export { SplatAdam } from './splat/update/splat-adam.ts';
