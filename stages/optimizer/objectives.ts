import type { Arena, Gpu, Recorder } from '../../wgsl/core/index.ts';
import { PhotometricLoss } from '../../wgsl/image/photometric.ts';
import type { Vec3 } from '../artefacts/camera.ts';
import type { View } from '../artefacts/dataset.ts';

/** The picture that a step renders and its gradient, in buffers of the largest view's size. */
export interface Picture {
  width: number;
  height: number;
  /** f32 [H,W,4]: rgb unclamped, alpha. The row stride is the view's width. */
  color: GPUBuffer;
  /** f32 [H,W,4]: dL/drgb, dL/dalpha; zero before the first objective. */
  gradient: GPUBuffer;
}

/** One term of the loss. Adds its gradient to the picture's gradient. */
export interface Objective {
  /** Overwrites the gradient instead of adding to it. Allowed only for the first objective. */
  readonly overwrites?: boolean;
  /** Uploads the parameters of the next step; then `record` records the work on the view. */
  prepare(step: number, view: View, background: Vec3): void;
  record(recorder: Recorder, view: View): void;
  readonly metrics: ObjectiveMetrics | readonly ObjectiveMetrics[];
}

/** f32 words for the progress line, and their interpretation. */
export interface ObjectiveMetrics {
  buffer: GPUBuffer;
  words: number;
  /** @throws InputError when they show that the optimisation cannot continue. */
  read(words: Float32Array): Record<string, number>;
}

/** Creates an objective for a picture. Called again when the picture's buffers are replaced. */
export type ObjectiveFactory = (gpu: Gpu, arena: Arena, picture: Picture) => Promise<Objective>;

export interface PhotometricOptions {
  /** Weight of 1 − SSIM, 0 to 1. */
  dssim: number;
  /** What the alpha of the photographs means (`alphaOf`). */
  alpha?: 'mask' | 'composite';
}

/** (1 − dssim)·L1 + dssim·(1 − SSIM) against the view's photograph (3DGS, eq. 7). */
export function photometricObjective({ dssim, alpha }: PhotometricOptions): ObjectiveFactory {
  return async (gpu, arena, { width, height, color, gradient }) => {
    const words = alpha === 'mask' ? 5 : 4;
    const metrics = arena.buffer('photometric/metrics', alpha === 'mask' ? 24 : 16);
    const loss = await PhotometricLoss.create(gpu, arena, {
      label: 'photometric',
      width,
      height,
      render: color,
      gradient,
      metrics,
      dssimWeight: dssim,
      alpha,
    });
    const photos = new Map<View, ReturnType<PhotometricLoss['bindPhoto']>>();
    return {
      overwrites: true,
      prepare(_, view, background) {
        if (!photos.has(view)) photos.set(view, loss.bindPhoto(view.image!, view.camera));
        if (alpha === 'composite') photos.get(view)!.setBackground(background);
      },
      record(recorder, view) {
        loss.record(recorder, photos.get(view)!);
      },
      metrics: {
        buffer: metrics,
        words,
        read([, , mse, total, compared]): Record<string, number> {
          // A picture that is masked everywhere has no PSNR.
          return compared === 0 ? { loss: total } : { loss: total, psnr: -10 * Math.log10(mse) };
        },
      },
    };
  };
}
