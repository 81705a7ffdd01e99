import type { Gpu } from '../../../wgsl/core/index.ts';
import { PhotometricLoss } from '../../../wgsl/image/photometric.ts';
import type { Layout, Row } from '../layout.ts';
import { absoluteRow, gradientRow, Shapes } from './compare.ts';

const VALUE_LIMIT = 1e-5;
/** Relative in L2. */
const GRADIENT_LIMIT = 1e-3;

/**
 * SSIM of `x` and `y` [1,3,H,W] as fused-ssim computes it: `ssim_same`, `ssim_valid` [1], and their gradients to x,
 * `grad_same`, `grad_valid` [1,3,H,W].
 */
export const ssimLayout: Layout = {
  name: 'ssim',
  recognises: (names) => ['x', 'y', 'ssim_same', 'ssim_valid'].every((name) => names.includes(name)),
  async check(gpu, path, tensors) {
    const shapes = new Shapes(path, tensors);
    const planes = [1, 3, 'H', 'W'] as const;
    const x = shapes.floats('x', planes);
    const y = shapes.floats('y', planes);
    const size = { width: shapes.size('W'), height: shapes.size('H') };
    const rows: Row[] = [];
    for (const padding of ['same', 'valid'] as const) {
      const found = await ssim(gpu, pixelsOf(x), pixelsOf(y), size, padding);
      const value = shapes.floats(`ssim_${padding}`, [1]);
      const gradient = shapes.floats(`grad_${padding}`, planes);
      rows.push(
        absoluteRow(`ssim_${padding}`, [found.value], value, VALUE_LIMIT),
        gradientRow(`grad_${padding}`, planesOf(found.gradient), gradient, { l2: GRADIENT_LIMIT }),
      );
    }
    return rows;
  },
};

/** SSIM and its gradient to x by the training loss's own kernels: with λ = 1 the loss is 1 − SSIM. */
async function ssim(
  gpu: Gpu,
  x: Float32Array,
  y: Float32Array,
  size: { width: number; height: number },
  padding: 'same' | 'valid',
) {
  const arena = gpu.arena('reference/ssim');
  try {
    const gradient = arena.buffer('gradient', x.byteLength);
    const metrics = arena.buffer('metrics', 16);
    const render = arena.upload('x', x, 'test');
    const loss = await PhotometricLoss.create(gpu, arena, {
      label: 'ssim',
      ...size,
      render,
      gradient,
      metrics,
      dssimWeight: 1,
      padding,
      photo: 'float',
    });
    const photo = loss.bindPhoto(arena.upload('y', y, 'test'), size);
    gpu.run('reference/ssim', (recorder) => loss.record(recorder, photo));
    const [, value] = await gpu.readFloats(metrics, 'test', 4);
    const byLoss = await gpu.readFloats(gradient, 'test', x.length);
    return { value, gradient: byLoss.map((entry) => -entry) };
  } finally {
    arena.destroy();
  }
}

/** [3, H, W] to [H, W, 4] with alpha 0. */
function pixelsOf(planes: Float32Array): Float32Array {
  const pixels = planes.length / 3;
  return Float32Array.from({ length: 4 * pixels }, (_, i) =>
    i % 4 < 3 ? planes[(i % 4) * pixels + Math.floor(i / 4)] : 0,
  );
}

/** [H, W, 4] to [3, H, W]. */
function planesOf(picture: Float32Array): Float32Array {
  const pixels = picture.length / 4;
  return Float32Array.from(
    { length: 3 * pixels },
    (_, i) => picture[4 * (i % pixels) + Math.floor(i / pixels)],
  );
}
