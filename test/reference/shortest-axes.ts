import { rotationMatrix } from './rotation-matrix.ts';

/** Plain twin of splat/shortest-axes: normals [N, 3] in camera space, x right, y up, z to the camera. `viewmat`: row-major [4, 4]. */
export function shortestAxes(
  { means, logScales, quats }: Record<'means' | 'logScales' | 'quats', ArrayLike<number>>,
  viewmat: readonly number[],
): number[][] {
  const rows = [0, 4, 8].map((from) => viewmat.slice(from, from + 4));
  const turned = (vector: readonly number[]) =>
    rows.map((row) => row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2]);
  return Array.from({ length: logScales.length / 3 }, (_, i) => {
    const scales = [0, 1, 2].map((k) => logScales[3 * i + k]);
    const axis = scales.indexOf(Math.min(...scales));
    const rotation = rotationMatrix([0, 1, 2, 3].map((k) => quats[4 * i + k]));
    // OpenCV's axes; the camera is at their origin.
    const normal = turned(rotation.map((row) => row[axis]));
    const place = turned([0, 1, 2].map((k) => means[3 * i + k])).map((value, k) => value + rows[k][3]);
    const away = normal.reduce((sum, value, k) => sum + value * place[k], 0) > 0 ? -1 : 1;
    return [away * normal[0], -away * normal[1], -away * normal[2]];
  });
}
