/**
 * Kernels whose plain reference has another name than their own, because several kernels make one operation. A kernel
 * without a row here has its reference in the file of its own name, a `…_backward` in that of its forward kernel.
 */
export const REFERENCE_OF: Readonly<Record<string, string>> = {
  radix_histogram: 'radix_sort',
  radix_scan: 'radix_sort',
  radix_scatter: 'radix_sort',
  radix_serial_histogram: 'radix_sort',
  radix_serial_scan: 'radix_sort',
  radix_serial_scatter: 'radix_sort',
  scan_reduce: 'scan',
  to_rgba8: 'rgba8',
  from_rgba8: 'rgba8',
  ssim_forward: 'ssim',
  photometric_l1: 'photometric',
  photometric_reduce: 'photometric',
  softmax: 'attention',
  patchify: 'tokens',
  image_tokens: 'tokens',
  text_tokens: 'tokens',
  pool: 'tokens',
  product_rows: 'product',
  product_shuffle: 'product',
  product_tiled: 'product',
  project: 'raster',
  admit: 'pairs',
  compact: 'pairs',
  depth_counts: 'pairs',
  emit: 'pairs',
  tile_ranges: 'pairs',
  rasterize_forward: 'raster',
  rasterize_backward: 'raster',
};
