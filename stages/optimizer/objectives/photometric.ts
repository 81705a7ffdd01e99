import { PhotometricLoss } from '../../../wgsl/image/photometric.ts';
import type { View } from '../../artefacts/dataset.ts';
import type { ObjectiveFactory } from '../objective.ts';

/** (1 − dssim)·L1 + dssim·(1 − SSIM) against the view's photograph (3DGS, eq. 7). */
export function photometricObjective({ dssim }: { dssim: number }): ObjectiveFactory {
  return async (gpu, arena, { width, height, color, gradient }) => {
    const metrics = arena.buffer('photometric/metrics', 16);
    const loss = await PhotometricLoss.create(gpu, arena, {
      label: 'photometric',
      width,
      height,
      render: color,
      gradient,
      metrics,
      dssimWeight: dssim,
    });
    const photos = new Map<View, ReturnType<PhotometricLoss['bindPhoto']>>();
    return {
      overwrites: true,
      prepare(_, view) {
        if (!photos.has(view)) photos.set(view, loss.bindPhoto(view.image!, view.camera));
      },
      record(recorder, view) {
        loss.record(recorder, photos.get(view)!);
      },
      metrics: {
        buffer: metrics,
        words: 4,
        read: ([, , mse, total]) => ({ loss: total, psnr: -10 * Math.log10(mse) }),
      },
    };
  };
}
