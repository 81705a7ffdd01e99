import { defineKernel, type Gpu, gridFor, type Kernel } from '../core/index.ts';

export const UNDISTORT = defineKernel({
  label: 'image/undistort',
  example: { BLANKS: false },
  variants: { portable: { source: new URL('./undistort.wgsl', import.meta.url) } },
});

/** In place of an infinite radius; its square is finite in f32. */
const LARGEST_RADIUS = 1e18;

/** Intrinsics of a camera without distortion, pixels; pixel centres at +0.5. */
export interface Pinhole {
  fx: number;
  fy: number;
  cx: number;
  cy: number;
}

/**
 * A camera with lens distortion, which includes COLMAP's and OpenCV's models. A ray (u, v, 1) reaches the picture in these steps:
 *
 * 1. `angular`, of fisheyes: (u, v) is scaled from the radius r to atan(scale·r)/divisor.
 * 2. With r² = u² + v², radial factor (1 + Σ radial[i]·r^(2i+2)) / (1 + Σ radialDivisor[i]·r^(2i+2)), p = `tangential`, s = `prism`:
 *    u' = u·factor + 2·p[0]·u·v + p[1]·(r² + 2u²) + s[0]·r², and v' = v·factor + 2·p[1]·u·v + p[0]·(r² + 2v²) + s[1]·r².
 * 3. The pixel is (fx·u' + cx, fy·v' + cy).
 */
export interface Lens extends Pinhole {
  angular?: { scale: number; divisor: number };
  radial: readonly [number, number, number, number];
  radialDivisor: readonly [number, number, number];
  tangential: readonly [number, number];
  prism: readonly [number, number];
  /** Radius of a ray after step 1 beyond which the lens has no inverse; used with `blanks`. Infinite unless given. */
  foldRadius?: number;
}

/** A photograph on the GPU, u32 [H, W] rgba8, and the lens that took it. */
export interface DistortedPhoto {
  photo: GPUBuffer;
  width: number;
  height: number;
  lens: Lens;
}

/** The picture of a pinhole camera: u32 [H, W] rgba8. */
export interface PinholePhoto {
  rgba8: GPUBuffer;
  width: number;
  height: number;
  pinhole: Pinhole;
}

/**
 * Resamples photographs to pinhole cameras that look the same way, bilinearly on the stored values. Pixels outside of the photograph repeat
 * its border, or with `blanks` are 0, alpha included.
 */
export class Undistorter {
  readonly #gpu: Gpu;
  readonly #kernel: Kernel;

  private constructor(gpu: Gpu, kernel: Kernel) {
    this.#gpu = gpu;
    this.#kernel = kernel;
  }

  static async create(gpu: Gpu, { blanks = false } = {}): Promise<Undistorter> {
    return new Undistorter(gpu, await gpu.kernel(UNDISTORT, { constants: { BLANKS: blanks } }));
  }

  /** Submits the work: `to.rgba8` has the picture for everything that is submitted later. */
  run(from: DistortedPhoto, to: PinholePhoto): void {
    const { lens } = from;
    const undistortion = this.#gpu.uniform('undistort/lens', this.#kernel.struct('Undistortion').size);
    const numbers = this.#kernel.pack('Undistortion', {
      pinholeFocal: [to.pinhole.fx, to.pinhole.fy],
      pinholeCenter: [to.pinhole.cx, to.pinhole.cy],
      focal: [lens.fx, lens.fy],
      center: [lens.cx, lens.cy],
      radial: lens.radial,
      radialDivisor: lens.radialDivisor,
      atanScale: lens.angular?.scale ?? 0,
      tangential: lens.tangential,
      prism: lens.prism,
      atanDivisor: lens.angular?.divisor ?? 0,
      width: to.width,
      height: to.height,
      fromWidth: from.width,
      fromHeight: from.height,
      foldRadius: Math.min(lens.foldRadius ?? LARGEST_RADIUS, LARGEST_RADIUS),
    });
    this.#gpu.write(undistortion, numbers, 'parameters');
    const bound = this.#kernel.bind({ undistortion, photo: from.photo, rgba8: to.rgba8 });
    this.#gpu.run('undistort', (recorder) => recorder.run(bound, gridFor(to.width * to.height, 256)));
    undistortion.destroy();
  }
}
