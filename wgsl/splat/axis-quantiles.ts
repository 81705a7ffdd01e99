import { defineKernel, type Gpu, gridFor } from '../core/index.ts';

/** 32 bits in three rounds of 11, 11 and 10. */
const BIN_BITS = 11;
const BINS = 2 ** BIN_BITS;
/** Opacity becomes 0–255: a sum over 16 M Gaussians still fits 32 bits. */
const WEIGHT_LEVELS = 255;

export const AXIS_QUANTILES = defineKernel({
  label: 'splat/axis-quantiles',
  constants: { BINS, WEIGHT_LEVELS },
  variants: { portable: { source: new URL('./axis-quantiles.wgsl', import.meta.url) } },
});

/** The kernel's inputs: means [N,3], opacityLogits [N]. */
interface Points {
  count: number;
  means: GPUBuffer;
  opacityLogits: GPUBuffer;
}

/**
 * Opacity-weighted quantiles of the means along x, y and z, exact to the bit (as f32 values that occur): the smallest
 * coordinate at which at least `q` of the total weight lies at or below. Three rounds of radix selection; each reads 48 KiB
 * of counts as metrics and no scene data. Null when no Gaussian has a finite mean and an opacity of at least 1/510.
 */
export async function axisQuantiles(
  gpu: Gpu,
  gaussians: Points,
  [low, high]: readonly [number, number],
): Promise<{ low: number[]; high: number[] } | null> {
  const kernel = await gpu.kernel(AXIS_QUANTILES);
  const arena = gpu.arena('splat/axis-quantiles');
  try {
    const round = arena.uniform('round', kernel.struct('Round').size);
    const histogram = arena.buffer('histogram', 4 * 6 * BINS);
    const bound = kernel.bind({
      round,
      histogram,
      means: gaussians.means,
      opacityLogits: gaussians.opacityLogits,
    });
    const prefix = new Uint32Array(6);
    const below = new Float64Array(6);
    const wanted = new Float64Array(6);
    let mask = 0;
    for (const shift of [21, 10, 0]) {
      gpu.write(
        round,
        kernel.pack('Round', {
          prefixLow: prefix.subarray(0, 3),
          prefixHigh: prefix.subarray(3, 6),
          mask,
          shift,
          count: gaussians.count,
        }),
        'parameters',
      );
      gpu.run('splat/axis-quantiles', (recorder) => {
        recorder.clear(histogram).run(bound, gridFor(gaussians.count, 256));
      });
      const counts = await gpu.readWords(histogram, 'metrics');
      for (let search = 0; search < 6; search++) {
        const bins = counts.subarray(search * BINS, (search + 1) * BINS);
        if (shift === 21) {
          const total = bins.reduce((sum, weight) => sum + weight, 0);
          if (!total) return null;
          wanted[search] = Math.max(1, (search < 3 ? low : high) * total);
        }
        let bin = 0;
        while (below[search] + bins[bin] < wanted[search]) below[search] += bins[bin++];
        // The last round has 10 bits; the 11th is already part of the prefix.
        prefix[search] = (prefix[search] | (bin << shift)) >>> 0;
      }
      mask = (-1 << shift) >>> 0;
    }
    const values = [...prefix].map(valueOfKey);
    return { low: values.slice(0, 3), high: values.slice(3) };
  } finally {
    arena.destroy();
  }
}

/** The inverse of the kernel's `key`. */
function valueOfKey(key: number): number {
  const bits = key >>> 31 ? key & 0x7fffffff : ~key;
  return new Float32Array(Uint32Array.of(bits).buffer)[0];
}
