import { photometricObjective } from '../../stages/optimizer/objectives.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import { mixed, uniform } from '../helpers/numbers.ts';
import { type Effort, measure } from './measure.ts';
import { type Row, rowOf, withArena } from './row.ts';
import { cameraAt, type Points } from './scene.ts';

/** Weight of D-SSIM in the loss. */
export const DSSIM = 0.2;

/** The photometric loss with its gradient, on a random render. */
export function ssimRow(
  gpu: Gpu,
  points: Points,
  { id, width: pictureWidth }: { id: string; width: number },
  effort: Effort,
): Promise<Row> {
  return withArena(gpu, 'bench/ssim', async (arena) => {
    const camera = cameraAt(points, pictureWidth);
    const { width, height } = camera;
    const pixels = width * height;
    const color = arena.upload('color', uniform(4 * pixels, 11), 'test');
    const gradient = arena.buffer('gradient', 16 * pixels);
    const image = arena.upload('photo', mixed(pixels, 3), 'test');
    const view = { name: 'view', split: 'train' as const, camera, image };
    const make = photometricObjective({ dssim: DSSIM });
    const objective = await make(gpu, arena, { width, height, color, gradient });
    let at = 0;
    const frame = () => {
      objective.prepare(at++, view);
      gpu.run('bench/ssim', (recorder) => objective.record(recorder, view));
    };
    const measured = await measure(gpu, frame, effort);
    // rgb in, an rgba8 photograph in, the gradient out.
    return { ...rowOf(points), ...measured, id, kind: 'ssim', width, height, mustMoveBytes: 28 * pixels };
  });
}
