import { type Picture, ssim } from './ssim.ts';

export interface Photometric {
  l1: number;
  ssim: number;
  mse: number;
  loss: number;
  /** dL/d render, [H, W, C]. */
  gradient: Float64Array;
}

/**
 * (1 − λ)·mean|r − p| + λ·(1 − SSIM), its parts and its gradient, in double precision. With masked pixels, the parts are means over what is
 * compared, and the loss adds what is compared and divides by the number of all pixels and windows.
 */
export function photometric(
  render: Picture,
  photo: Picture,
  dssimWeight: number,
  padding: 'valid' | 'same' = 'valid',
  masked: (pixel: number) => boolean = () => false,
): Photometric {
  const structure = dssimWeight > 0 ? ssim(render, photo, padding, masked) : undefined;
  const count = render.width * render.height * render.channels;
  const gradient = new Float64Array(count);
  let [l1, mse, compared] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const skipped = masked(Math.floor(i / render.channels));
    if (!skipped) compared++;
    const difference = skipped ? 0 : render.data[i] - photo.data[i];
    l1 += Math.abs(difference);
    mse += difference ** 2;
    gradient[i] = ((1 - dssimWeight) * Math.sign(difference)) / count;
    if (structure) gradient[i] -= dssimWeight * structure.gradient[i];
  }
  const { mean = 0, share = 1 } = structure ?? {};
  const loss = ((1 - dssimWeight) * l1) / count + dssimWeight * share * (1 - mean);
  return { l1: l1 / Math.max(1, compared), ssim: mean, mse: mse / Math.max(1, compared), loss, gradient };
}
