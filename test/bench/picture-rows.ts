import { LOSSES } from '../../stages/losses/index.ts';
import type { LossContext } from '../../stages/losses/loss.ts';
import { photometricObjective } from '../../stages/optimizer/objectives.ts';
import type { Gpu } from '../../wgsl/core/index.ts';
import { HALF_PICTURE_BYTES, HalfPictures } from '../../wgsl/image/half-picture.ts';
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
      objective.prepare(at++, view, [0, 0, 0]);
      gpu.run('bench/ssim', (recorder) => objective.record(recorder, view));
    };
    const measured = await measure(gpu, frame, effort);
    // rgb in, an rgba8 photograph in, the gradient out.
    return { ...rowOf(points), ...measured, id, kind: 'ssim', width, height, mustMoveBytes: 28 * pixels };
  });
}

/** Losses against the render before restyling, each with its gradient; `base` makes that render from half precision. */
const PICTURE_LOSSES = ['base', 'structure', 'tv', 'photo'] as const;

export async function lossRows(
  gpu: Gpu,
  points: Points,
  pictureWidth: number,
  effort: Effort,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const name of PICTURE_LOSSES) rows.push(await lossRow(gpu, points, { name, pictureWidth }, effort));
  return rows;
}

function lossRow(
  gpu: Gpu,
  points: Points,
  { name, pictureWidth }: { name: (typeof PICTURE_LOSSES)[number]; pictureWidth: number },
  effort: Effort,
): Promise<Row> {
  return withArena(gpu, 'bench/losses', async (arena) => {
    const camera = cameraAt(points, pictureWidth);
    const { width, height } = camera;
    const pixels = width * height;
    const view = { name: 'view', split: 'train' as const, camera, image: null };
    const color = arena.upload('color', uniform(4 * pixels, 11), 'test');
    const base = { color: arena.upload('base', uniform(4 * pixels, 12), 'test') };
    const picture = { width, height, color, gradient: arena.buffer('gradient', 16 * pixels) };
    let frame: () => void;
    if (name === 'base') {
      const halves = await HalfPictures.create(gpu, arena, base.color);
      const bound = halves.bind(arena.buffer('halves', HALF_PICTURE_BYTES * pixels), pixels);
      frame = () => {
        halves.set(bound, [1, 1, 1]);
        gpu.run('bench/losses', (recorder) => halves.recordComposite(recorder, bound));
      };
    } else {
      const texts = { target: new Float32Array(), embed: async () => new Float32Array() };
      const context: LossContext = { gpu, arena, picture, weight: 1, base, texts };
      const loss = await LOSSES[name].create(context, LOSSES[name].defaults);
      frame = () => {
        loss.prepare?.(0, view);
        gpu.run('bench/losses', (recorder) => loss.recordPicture!(recorder, view));
      };
    }
    const measured = await measure(gpu, frame, effort);
    // Both pictures in, rgb of the gradient in and out; `base`: f16 in, f32 out.
    const mustMoveBytes = (name === 'base' ? 24 : 48) * pixels;
    const id = `loss ${name} ${width}×${height}`;
    return { ...rowOf(points), ...measured, id, kind: 'losses', width, height, mustMoveBytes };
  });
}
