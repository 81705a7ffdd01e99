import { type Picture, ssim } from './ssim.ts';

export interface Photometric {
  l1: number;
  ssim: number;
  mse: number;
  loss: number;
  /** dL/d render, [H, W, C]. */
  gradient: Float64Array;
}

/** (1 − λ)·mean|r − p| + λ·(1 − SSIM), its parts and its gradient, in double precision. */
export function photometric(
  render: Picture,
  photo: Picture,
  dssimWeight: number,
  padding: 'valid' | 'same' = 'valid',
): Photometric {
  const structure = dssimWeight > 0 ? ssim(render, photo, padding) : undefined;
  const count = render.width * render.height * render.channels;
  const gradient = new Float64Array(count);
  let [l1, mse] = [0, 0];
  for (let i = 0; i < count; i++) {
    const difference = render.data[i] - photo.data[i];
    l1 += Math.abs(difference) / count;
    mse += difference ** 2 / count;
    gradient[i] = ((1 - dssimWeight) * Math.sign(difference)) / count;
    if (structure) gradient[i] -= dssimWeight * structure.gradient[i];
  }
  const value = structure?.mean ?? 0;
  return { l1, ssim: value, mse, loss: (1 - dssimWeight) * l1 + dssimWeight * (1 - value), gradient };
}
