import {
  type Camera,
  type Gaussian,
  project,
  projectBackward,
  type Splat,
  type SplatGradient,
} from './project.ts';

/** A splat as the kernels hold it; arrays as in the 3DGS layout, sh [N, K, 3] with K ≥ (shDegree + 1)². */
export interface SplatArrays {
  means: ArrayLike<number>;
  logScales: ArrayLike<number>;
  quats: ArrayLike<number>;
  opacityLogits: ArrayLike<number>;
  sh: ArrayLike<number>;
}

export interface RasterPicture {
  /** [H, W, 3], unclamped, background included. */
  image: Float64Array;
  /** [H, W]. */
  alpha: Float64Array;
}

const MIN_ALPHA = 1 / 255;
const MAX_ALPHA = 0.99;
const MIN_TRANSMITTANCE = 1e-4;

/**
 * The rasteriser's rules (docs/rasterizer.md) one pixel at a time and in double precision: no tiles, every splat that
 * can reach a pixel is blended in order. The reference of the kernels.
 */
export class RasterReference {
  readonly picture: RasterPicture;
  /** The least relative distance of an α or a transmittance to the threshold it was compared with: below f32's error, rounding decides. */
  margin = Number.POSITIVE_INFINITY;
  readonly #camera: Camera;
  readonly #background: ArrayLike<number>;
  readonly #shDegree: number;
  readonly #antialias: boolean;
  readonly #gaussians: Gaussian[];
  /** By Gaussian; absent where culled. */
  readonly #splats: (Splat | undefined)[];
  /** By pixel: Gaussians that can reach it, nearest first. */
  readonly #reaching: number[][];

  constructor(
    splat: SplatArrays,
    camera: Camera,
    background: ArrayLike<number>,
    shDegree: number,
    antialias = false,
  ) {
    this.#camera = camera;
    this.#background = background;
    this.#shDegree = shDegree;
    this.#antialias = antialias;
    this.#gaussians = gaussiansOf(splat);
    this.#splats = this.#gaussians.map((gaussian) => project(gaussian, camera, shDegree, antialias));
    this.#reaching = this.#sortByPixel();
    this.picture = this.#render();
  }

  /** How many Gaussians were not culled. */
  get visible(): number {
    return this.#splats.filter(Boolean).length;
  }

  /** The blending weight of each Gaussian, summed over the pixels, [N]. */
  contributions(): Float64Array {
    const sums = new Float64Array(this.#gaussians.length);
    for (let pixel = 0; pixel < this.#reaching.length; pixel++) {
      for (const { gaussian, alpha, before } of this.#blend(pixel).hits) sums[gaussian] += before * alpha;
    }
    return sums;
  }

  /**
   * Gradients of Σ image·weightImage + Σ alpha·weightAlpha to the stored parameters. `screen` [N, 2]: the length of the gradient
   * to the projected mean times half the picture's size, and the radius ÷ the longest side; 0 where culled.
   */
  backward(weightImage: ArrayLike<number>, weightAlpha: ArrayLike<number>) {
    const gradients = this.#splats.map(
      (): SplatGradient => ({ center: [0, 0], conic: [0, 0, 0], color: [0, 0, 0], opacity: 0 }),
    );
    for (let pixel = 0; pixel < this.#reaching.length; pixel++) {
      const weights = [0, 1, 2].map((c) => weightImage[3 * pixel + c]);
      this.#pixelBackward(pixel, weights, weightAlpha[pixel], gradients);
    }
    const zero = (gaussian: Gaussian): Gaussian => ({
      mean: [0, 0, 0],
      logScales: [0, 0, 0],
      quat: [0, 0, 0, 0],
      opacityLogit: 0,
      sh: gaussian.sh.map(() => [0, 0, 0]),
    });
    const rows = this.#gaussians.map((gaussian, i) =>
      this.#splats[i]
        ? projectBackward(gaussian, this.#camera, this.#shDegree, gradients[i], this.#antialias)
        : zero(gaussian),
    );
    return {
      means: Float64Array.from(rows.flatMap((row) => row.mean)),
      logScales: Float64Array.from(rows.flatMap((row) => row.logScales)),
      quats: Float64Array.from(rows.flatMap((row) => row.quat)),
      opacityLogits: Float64Array.from(rows, (row) => row.opacityLogit),
      sh: Float64Array.from(rows.flatMap((row) => row.sh.flat())),
      screen: Float64Array.from(
        gradients.flatMap(({ center }, i) => this.#screenRow(center, this.#splats[i])),
      ),
    };
  }

  #screenRow([x, y]: number[], splat: Splat | undefined): number[] {
    if (!splat) return [0, 0];
    const { width, height } = this.#camera;
    const radius = Math.sqrt(2 * Math.log(255 * splat.opacity) * Math.max(...splat.spread));
    return [Math.hypot((x * width) / 2, (y * height) / 2), radius / Math.max(width, height)];
  }

  #sortByPixel(): number[][] {
    const { width, height } = this.#camera;
    const reaching = Array.from({ length: width * height }, (): number[] => []);
    const order = this.#splats.flatMap((splat, i) => (splat ? [i] : []));
    order.sort((a, b) => this.#splats[a]!.depth - this.#splats[b]!.depth || a - b);
    for (const i of order) {
      const { center, spread, opacity } = this.#splats[i]!;
      // α ≥ 1/255 holds inside an ellipse; this is its box, a pixel wider.
      const reach = spread.map((variance) => Math.sqrt(2 * Math.log(255 * opacity) * variance) + 1);
      const [left, top] = center.map((at, axis) => Math.max(0, Math.floor(at - reach[axis])));
      const right = Math.min(width - 1, Math.ceil(center[0] + reach[0]));
      const bottom = Math.min(height - 1, Math.ceil(center[1] + reach[1]));
      for (let y = top; y <= bottom; y++) {
        for (let x = left; x <= right; x++) reaching[y * width + x].push(i);
      }
    }
    return reaching;
  }

  #render(): RasterPicture {
    const pixels = this.#reaching.length;
    const image = new Float64Array(3 * pixels);
    const alpha = new Float64Array(pixels);
    for (let pixel = 0; pixel < pixels; pixel++) {
      const { hits, transmittance } = this.#blend(pixel);
      alpha[pixel] = 1 - transmittance;
      for (let c = 0; c < 3; c++) {
        image[3 * pixel + c] = transmittance * this.#background[c];
        for (const hit of hits) {
          image[3 * pixel + c] += hit.before * hit.alpha * this.#splats[hit.gaussian]!.color[c];
        }
      }
    }
    return { image, alpha };
  }

  #decide(value: number, threshold: number): boolean {
    this.margin = Math.min(this.margin, Math.abs(value / threshold - 1));
    return value > threshold;
  }

  /** The splats that count at a pixel, nearest first, and the light that passes them all. */
  #blend(pixel: number): { hits: Hit[]; transmittance: number } {
    const { width } = this.#camera;
    const at = [(pixel % width) + 0.5, Math.floor(pixel / width) + 0.5];
    const hits: Hit[] = [];
    let before = 1;
    for (const gaussian of this.#reaching[pixel]) {
      const { center, conic, opacity } = this.#splats[gaussian]!;
      const [dx, dy] = [center[0] - at[0], center[1] - at[1]];
      const exponent = (conic[0] * dx * dx + conic[2] * dy * dy) / 2 + conic[1] * dx * dy;
      if (exponent < 0) continue;
      const falloff = Math.exp(-exponent);
      const uncapped = opacity * falloff;
      if (!this.#decide(uncapped, MIN_ALPHA)) continue;
      const alpha = this.#decide(uncapped, MAX_ALPHA) ? MAX_ALPHA : uncapped;
      if (!this.#decide(before * (1 - alpha), MIN_TRANSMITTANCE)) break;
      hits.push({ gaussian, alpha, before, falloff, dx, dy });
      before *= 1 - alpha;
    }
    return { hits, transmittance: before };
  }

  #pixelBackward(pixel: number, weights: number[], weightAlpha: number, gradients: SplatGradient[]): void {
    const { hits, transmittance } = this.#blend(pixel);
    // What lies behind a splat, weighed: its share of the picture changes with the light that the splat lets pass.
    let behind = 0;
    for (let c = 0; c < 3; c++) behind += transmittance * this.#background[c] * weights[c];
    for (const { gaussian, alpha, before, falloff, dx, dy } of hits.reverse()) {
      const { color, conic, opacity } = this.#splats[gaussian]!;
      const gradient = gradients[gaussian];
      let own = 0;
      for (let c = 0; c < 3; c++) {
        gradient.color[c] += before * alpha * weights[c];
        own += color[c] * weights[c];
      }
      const byAlpha = before * own + (weightAlpha * transmittance - behind) / (1 - alpha);
      behind += before * alpha * own;
      if (opacity * falloff > MAX_ALPHA) continue;
      gradient.opacity += falloff * byAlpha;
      const byExponent = -opacity * falloff * byAlpha;
      gradient.conic[0] += (byExponent * dx * dx) / 2;
      gradient.conic[1] += byExponent * dx * dy;
      gradient.conic[2] += (byExponent * dy * dy) / 2;
      gradient.center[0] += byExponent * (conic[0] * dx + conic[1] * dy);
      gradient.center[1] += byExponent * (conic[1] * dx + conic[2] * dy);
    }
  }
}

interface Hit {
  gaussian: number;
  alpha: number;
  /** Light that reaches the splat. */
  before: number;
  falloff: number;
  dx: number;
  dy: number;
}

/** One record a Gaussian. */
export function gaussiansOf({ means, logScales, quats, opacityLogits, sh }: SplatArrays): Gaussian[] {
  const count = opacityLogits.length;
  const width = sh.length / count;
  const slice = (from: ArrayLike<number>, i: number, size: number) =>
    Array.from({ length: size }, (_, k) => from[i * size + k]);
  return Array.from({ length: count }, (_, i) => ({
    mean: slice(means, i, 3),
    logScales: slice(logScales, i, 3),
    quat: slice(quats, i, 4),
    opacityLogit: opacityLogits[i],
    sh: Array.from({ length: width / 3 }, (_, band) => [0, 1, 2].map((c) => sh[i * width + 3 * band + c])),
  }));
}
