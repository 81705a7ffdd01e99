/**
 * Kernels whose plain reference has another name than their own, because several kernels implement one operation. The reference of
 * a kernel without a row has the kernel's name, and that of a `…-backward` the name of its forward kernel.
 */
export const REFERENCE_OF: Readonly<Record<string, string>> = {
  'radix-histogram': 'radix-sort',
  'radix-scan': 'radix-sort',
  'radix-scatter': 'radix-sort',
  'scan-reduce': 'scan',
  'to-rgba8': 'rgba8',
  'from-rgba8': 'rgba8',
  'ssim-forward': 'photometric',
  'ssim-backward': 'photometric',
  'photometric-l1': 'photometric',
  'photometric-reduce': 'photometric',
  'product-vec4': 'product',
  softmax: 'attention',
  patchify: 'tokens',
  'image-tokens': 'tokens',
  'text-tokens': 'tokens',
  pool: 'tokens',
  project: 'raster',
  'intersection-counts': 'intersections',
  'intersection-offsets': 'intersections',
  emit: 'intersections',
  'tile-ranges': 'intersections',
  'rasterize-forward': 'raster',
  'rasterize-backward': 'raster',
  'backward-sums': 'raster',
  'adam-geometry': 'adam',
  'adam-sh': 'adam',
};
