import { pcg4d, RANDOM } from '../core/index.ts';
import type { PinholeCamera, ViewOptions } from './types.ts';

/** The fields of `View` in shared/view.wgsl. */
export function viewValues(
  camera: PinholeCamera,
  {
    tile,
    background = [0, 0, 0],
    shDegree,
    step,
    dropout,
  }: ViewOptions & { tile: number; shDegree: number; step: number },
) {
  const m = camera.viewmat;
  return {
    row0: m.slice(0, 4),
    row1: m.slice(4, 8),
    row2: m.slice(8, 12),
    center: centerOf(m),
    shDegree,
    background,
    dropout: dropoutWord(dropout, step),
    focal: [camera.fx, camera.fy],
    principal: [camera.cx, camera.cy],
    size: [camera.width, camera.height],
    tiles: [Math.ceil(camera.width / tile), Math.ceil(camera.height / tile)],
  };
}

/** The share in 256ths in the highest byte, and the step's random number below it. */
function dropoutWord(dropout: ViewOptions['dropout'], step: number): number {
  const parts = Math.round(256 * (dropout?.share ?? 0));
  return parts ? ((parts << 24) | (pcg4d(dropout!.seed, RANDOM.dropout, step, 0)[0] >>> 8)) >>> 0 : 0;
}

/** −Rᵀt of a row-major [4,4] world → camera matrix. */
export function centerOf(m: readonly number[]): number[] {
  return [0, 1, 2].map((k) => -(m[k] * m[3] + m[4 + k] * m[7] + m[8 + k] * m[11]));
}
