import { openClipTarget } from '../../stages/clip/target.ts';
import { clipObjective, photometricObjective } from '../../stages/optimizer/objectives.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import { mixed, uniform } from '../helpers/numbers.ts';
import { type Effort, measure } from './measure.ts';
import { type Row, rowOf, withArena } from './row.ts';
import { cameraAt, type Points } from './scene.ts';

/** Weight of D-SSIM in the loss. */
export const DSSIM = 0.2;

/** One objective with its gradient, on a random render. */
export function pictureRow(
  gpu: Gpu,
  points: Points,
  size: { width: number },
  kind: 'ssim' | 'clip',
  id: string,
  effort: Effort,
  clip?: string,
): Promise<Row> {
  return withArena(gpu, `bench/${kind}`, async (arena) => {
    const camera = cameraAt(points, size.width);
    const { width, height } = camera;
    const pixels = width * height;
    const color = arena.upload('color', uniform(4 * pixels, 11), 'test');
    const gradient = arena.buffer('gradient', 16 * pixels);
    const image = kind === 'ssim' ? arena.upload('photo', mixed(pixels, 3), 'test') : null;
    const view = { name: 'view', split: 'train' as const, camera, image };
    const target =
      kind === 'clip'
        ? await openClipTarget(gpu, {
            prompt: 'a carved wooden robot',
            model: clip,
            crops: { count: 8, scale: [0.5, 1], rotate: 10, flip: true },
          })
        : undefined;
    try {
      const make = target
        ? clipObjective({ target, seed: 1, weight: 1 })
        : photometricObjective({ dssim: DSSIM });
      const objective = await make(gpu, arena, { width, height, color, gradient });
      let at = 0;
      const frame = () => {
        objective.prepare(at++, view);
        gpu.run(`bench/${kind}`, (recorder) => objective.record(recorder, view));
      };
      const measured = await measure(gpu, frame, effort);
      // rgb in, an rgba8 photograph in, the gradient out.
      const mustMoveBytes = kind === 'ssim' ? 28 * pixels : null;
      return { ...rowOf(points), ...measured, id, kind, width, height, mustMoveBytes };
    } finally {
      target?.destroy();
    }
  });
}
