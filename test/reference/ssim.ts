/** A picture with any number of channels, [H, W, C] row-major. */
export interface Picture {
  width: number;
  height: number;
  channels: number;
  data: ArrayLike<number>;
}

const RADIUS = 5;
const SIGMA = 1.5;
const C1 = 0.01 ** 2;
const C2 = 0.03 ** 2;

/**
 * Mean SSIM of x and y over windows and channels, and its gradient to x [H, W, C]; all 121 taps, in double precision. Windows with a
 * masked pixel are left out of the mean; `share` of all windows is in it, and the gradient is that of mean·share.
 */
export function ssim(
  x: Picture,
  y: Picture,
  padding: 'valid' | 'same',
  masked: (pixel: number) => boolean = () => false,
): { mean: number; gradient: Float64Array; share: number } {
  const { width, height, channels } = x;
  const taps = window();
  const margin = padding === 'valid' ? RADIUS : 0;
  const windows = (width - 2 * margin) * (height - 2 * margin) * channels;
  const gradient = new Float64Array(width * height * channels);
  let [sum, included] = [0, 0];
  for (let c = 0; c < channels; c++) {
    for (let row = margin; row < height - margin; row++) {
      for (let column = margin; column < width - margin; column++) {
        const inside = taps
          .map(({ dx, dy, weight }) => ({ column: column + dx, row: row + dy, weight }))
          .filter((tap) => tap.column >= 0 && tap.column < width && tap.row >= 0 && tap.row < height)
          .map((tap) => ({ at: (tap.row * width + tap.column) * channels + c, weight: tap.weight }));
        if (inside.some(({ at }) => masked(Math.floor(at / channels)))) continue;
        included++;
        let [mx, my, mxx, myy, mxy] = [0, 0, 0, 0, 0];
        for (const { at, weight } of inside) {
          const [a, b] = [x.data[at], y.data[at]];
          mx += weight * a;
          my += weight * b;
          mxx += weight * a * a;
          myy += weight * b * b;
          mxy += weight * a * b;
        }
        const means = 2 * mx * my + C1;
        const covariance = 2 * (mxy - mx * my) + C2;
        const squares = mx * mx + my * my + C1;
        const variances = mxx - mx * mx + (myy - my * my) + C2;
        const value = (means * covariance) / (squares * variances);
        sum += value;
        for (const { at, weight } of inside) {
          // Each factor's own derivative by x at this tap.
          const byMeans = 2 * my * weight;
          const byCovariance = 2 * weight * (y.data[at] - my);
          const bySquares = 2 * mx * weight;
          const byVariances = 2 * weight * (x.data[at] - mx);
          gradient[at] +=
            (byMeans * covariance + means * byCovariance) / (squares * variances) / windows -
            (value * (bySquares / squares + byVariances / variances)) / windows;
        }
      }
    }
  }
  return { mean: included ? sum / included : 0, gradient, share: included / windows };
}

function window(): { dx: number; dy: number; weight: number }[] {
  const taps: { dx: number; dy: number; weight: number }[] = [];
  for (let dy = -RADIUS; dy <= RADIUS; dy++) {
    for (let dx = -RADIUS; dx <= RADIUS; dx++) {
      taps.push({ dx, dy, weight: Math.exp(-(dx * dx + dy * dy) / (2 * SIGMA * SIGMA)) });
    }
  }
  const sum = taps.reduce((total, { weight }) => total + weight, 0);
  return taps.map((tap) => ({ ...tap, weight: tap.weight / sum }));
}
