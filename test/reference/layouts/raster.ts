import { type Arena, type Gpu, InputError } from '../../../wgsl/core/index.ts';
import { ParameterGradients } from '../../../wgsl/splat/parameter-gradients.ts';
import { Rasterizer, type RasterizerOptions } from '../../../wgsl/splat/rasterizer.ts';
import { RasterizerBackward } from '../../../wgsl/splat/rasterizer-backward.ts';
import type { GaussianBuffers, PinholeCamera, Rgb } from '../../../wgsl/splat/types.ts';
import { RASTER_COUNTER_WORDS, RASTER_COUNTERS } from '../../../wgsl/splat/types.ts';
import type { Layout } from '../layout.ts';
import type { SplatArrays } from '../raster.ts';
import { gradientRow, pictureRow, Shapes } from './compare.ts';

/** Where a splat sits on the cut at α = 1/255 or T = 1e-4, rounding decides, and a pixel may be off by that splat. */
const PICTURE = { tolerance: 1e-4, outlierTolerance: 1e-2, outlierShare: 0.0003, minOutliers: 4 };
const GRADIENT = { l2: 3e-3, largest: 5e-3 };
/** The blur of the 2D covariance that the kernels have. */
const EPS2D = 0.3;

/** A splat, a camera, and weights of the loss Σ image·weightImage + Σ alpha·weightAlpha, as a file has them. */
export interface RasterCase {
  splat: Record<keyof SplatArrays, Float32Array>;
  camera: PinholeCamera;
  background: Rgb;
  /** gsplat's antialiased mode; its classic one unless true. */
  antialias?: boolean;
  /** Bands in use, and bands that `sh` stores. */
  shDegree: number;
  storedDegree: number;
  weightImage: Float32Array;
  weightAlpha: Float32Array;
}

/**
 * gsplat's rasteriser (classic mode, or with `rasterize_mode: antialiased` in the metadata the antialiased one): `means` [N,3], `log_scales` [N,3], `quats` [N,4], `opacity_logits` [N], `sh` [N,K,3],
 * `viewmat` [4,4], `K` [3,3], `background` [3]; `image` [H,W,3] and `alpha` [H,W,1]; `weight_image`, `weight_alpha`
 * likewise, and `grad_…` of the five parameters.
 */
export const rasterLayout: Layout = {
  name: 'raster',
  recognises: (names) =>
    ['means', 'quats', 'viewmat', 'image', 'weight_image'].every((name) => names.includes(name)),
  async check(gpu, path, tensors, metadata) {
    const shapes = new Shapes(path, tensors);
    const image = shapes.floats('image', ['H', 'W', 3]);
    const alpha = shapes.floats('alpha', ['H', 'W', 1]);
    const found = await rasterize(gpu, readCase(path, shapes, metadata));
    const gradient = (name: string, values: Float32Array, shape: (number | string)[]) =>
      gradientRow(name, values, shapes.floats(name, shape), GRADIENT);
    const { gradients } = found;
    return [
      pictureRow('image', found.image, image, 3, PICTURE),
      pictureRow('alpha', found.alpha, alpha, 1, PICTURE),
      gradient('grad_means', gradients.means, ['N', 3]),
      gradient('grad_log_scales', gradients.logScales, ['N', 3]),
      gradient('grad_quats', gradients.quats, ['N', 4]),
      gradient('grad_opacity_logits', gradients.opacityLogits, ['N']),
      gradient('grad_sh', gradients.sh, ['N', 'K', 3]),
    ];
  },
};

/** The inputs that a file of this layout holds. */
export function readCase(path: string, shapes: Shapes, metadata: Record<string, string>): RasterCase {
  const means = shapes.floats('means', ['N', 3]);
  const weightImage = shapes.floats('weight_image', ['H', 'W', 3]);
  const sh = shapes.floats('sh', ['N', 'K', 3]);
  const [fx, skew, cx, , fy, cy] = shapes.floats('K', [3, 3]);
  if (skew !== 0) throw new InputError(`K has a skew of ${skew}; the rasteriser's cameras have none`, path);
  if (metadata.eps2d !== undefined && Number(metadata.eps2d) !== EPS2D) {
    throw new InputError(`metadata: eps2d is ${metadata.eps2d}; the rasteriser's is ${EPS2D}`, path);
  }
  const storedDegree = Math.sqrt(shapes.size('K')) - 1;
  const shDegree = Number(metadata.sh_degree ?? storedDegree);
  if (![0, 1, 2, 3].includes(storedDegree) || ![0, 1, 2, 3].includes(shDegree) || shDegree > storedDegree) {
    throw new InputError(
      `sh has ${shapes.size('K')} coefficients and metadata's sh_degree is ${metadata.sh_degree}; 1, 4, 9 or 16 are ` +
        'expected, and a degree that they hold',
      path,
    );
  }
  return {
    splat: {
      means,
      logScales: shapes.floats('log_scales', ['N', 3]),
      quats: shapes.floats('quats', ['N', 4]),
      opacityLogits: shapes.floats('opacity_logits', ['N']),
      sh,
    },
    camera: {
      width: shapes.size('W'),
      height: shapes.size('H'),
      fx,
      fy,
      cx,
      cy,
      viewmat: [...shapes.floats('viewmat', [4, 4])],
    },
    background: [...shapes.floats('background', [3])] as [number, number, number],
    antialias: metadata.rasterize_mode === 'antialiased',
    shDegree,
    storedDegree,
    weightImage,
    weightAlpha: shapes.floats('weight_alpha', ['H', 'W', 1]),
  };
}

/** What the kernels give: [H,W,3], [H,W], and the parameters' shapes. */
export interface Rasterized {
  image: Float32Array;
  alpha: Float32Array;
  gradients: Record<keyof SplatArrays, Float32Array>;
}

/** A splat's arrays on the GPU. */
export function uploadSplat(arena: Arena, splat: RasterCase['splat']): GaussianBuffers {
  const upload = (name: keyof SplatArrays) => arena.upload(name, splat[name], 'test');
  return {
    means: upload('means'),
    logScales: upload('logScales'),
    quats: upload('quats'),
    opacityLogits: upload('opacityLogits'),
    sh: upload('sh'),
  };
}

/** Which kernels to run: the adapter's own unless given. */
export type RasterShape = Pick<RasterizerOptions, 'tile' | 'target'>;

/** Runs the kernels, forward and backward, with room for all intersections. */
export async function rasterize(gpu: Gpu, given: RasterCase, shape: RasterShape = {}): Promise<Rasterized> {
  let intersections = 16 * given.splat.opacityLogits.length;
  for (;;) {
    const result = await attempt(gpu, given, intersections, shape);
    if ('rendered' in result) return result.rendered;
    intersections = Math.ceil(1.25 * result.needed);
  }
}

async function attempt(
  gpu: Gpu,
  given: RasterCase,
  intersections: number,
  shape: RasterShape,
): Promise<{ rendered: Rasterized } | { needed: number }> {
  const { splat, camera, background, antialias = false, shDegree, storedDegree } = given;
  const { width, height } = camera;
  const count = splat.opacityLogits.length;
  const arena = gpu.arena('reference/raster');
  try {
    const rasterizer = await Rasterizer.create(gpu, arena, {
      label: 'rasterizer',
      gaussians: uploadSplat(arena, splat),
      gaussianCount: arena.upload('gaussianCount', new Uint32Array([count]), 'test'),
      rows: count,
      shDegree: storedDegree,
      antialias,
      width,
      height,
      intersections,
      ...shape,
    });
    const backward = await RasterizerBackward.create(gpu, arena, rasterizer);
    const written = await ParameterGradients.create(gpu, arena, rasterizer, backward);
    rasterizer.setView(camera, { background, shDegree });
    gpu.write(backward.gradImage, weightsOf(given), 'test');
    gpu.run('reference/raster', (recorder) => {
      rasterizer.record(recorder);
      backward.record(recorder);
      written.record(recorder);
    });
    const counters = await gpu.readWords(rasterizer.rasterCounters, 'test', RASTER_COUNTER_WORDS);
    if (counters[RASTER_COUNTERS.FAILED]) return { needed: counters[RASTER_COUNTERS.NEEDED] };
    const color = await gpu.readFloats(rasterizer.color, 'test', 4 * width * height);
    const gradient = (name: keyof SplatArrays) =>
      gpu.readFloats(written.gradients[name], 'test', splat[name].length);
    const rendered = {
      image: color.filter((_, i) => i % 4 < 3),
      alpha: color.filter((_, i) => i % 4 === 3),
      gradients: {
        means: await gradient('means'),
        logScales: await gradient('logScales'),
        quats: await gradient('quats'),
        opacityLogits: await gradient('opacityLogits'),
        sh: await gradient('sh'),
      },
    };
    return { rendered };
  } finally {
    arena.destroy();
  }
}

/** The loss's weights as a gradient picture [H, W, 4]. */
function weightsOf({ weightImage, weightAlpha }: RasterCase): Float32Array {
  return Float32Array.from({ length: 4 * weightAlpha.length }, (_, i) => {
    const pixel = Math.floor(i / 4);
    return i % 4 < 3 ? weightImage[3 * pixel + (i % 4)] : weightAlpha[pixel];
  });
}
