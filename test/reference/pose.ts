import { type Matrix, multiply } from './matrix.ts';

/** exp of a twist (translation, rotation) as a [4, 4] matrix, by its power series in double precision. */
export function expTwist([x, y, z, a, b, c]: readonly number[]): Matrix {
  const generator = [
    [0, -c, b, x],
    [c, 0, -a, y],
    [-b, a, 0, z],
    [0, 0, 0, 0],
  ];
  let term: Matrix = [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((k) => (i === k ? 1 : 0)));
  let sum = term.map((row) => [...row]);
  for (let n = 1; n < 40; n++) {
    term = multiply(term, generator).map((row) => row.map((value) => value / n));
    sum = sum.map((row, i) => row.map((value, k) => value + term[i][k]));
  }
  return sum;
}

/** exp(twist)·viewmat: a camera that moves in its own axes. */
export function movedPose(viewmat: Matrix, twist: readonly number[]): Matrix {
  return multiply(expTwist(twist), viewmat);
}

/** d loss(exp(ξ)·viewmat) / dξ at ξ = 0, by central differences. */
export function poseGradient(viewmat: Matrix, loss: (viewmat: Matrix) => number, step = 1e-5): number[] {
  return [0, 1, 2, 3, 4, 5].map((k) => {
    const at = (by: number) =>
      loss(
        movedPose(
          viewmat,
          [0, 1, 2, 3, 4, 5].map((i) => (i === k ? by : 0)),
        ),
      );
    return (at(step) - at(-step)) / (2 * step);
  });
}

/** A camera's centre in world coordinates, −Rᵀt. */
export function centerOfPose(viewmat: Matrix): number[] {
  return [0, 1, 2].map((k) => -[0, 1, 2].reduce((sum, row) => sum + viewmat[row][k] * viewmat[row][3], 0));
}

/** The cameras after the world's similarity x → growth·R(rotation)·(x − center) + center + translation moved them and rotated their axes. */
export function movedCameras(
  viewmats: readonly Matrix[],
  {
    rotation,
    translation,
    growth,
    center,
  }: { rotation: number[]; translation: number[]; growth: number; center: number[] },
): Matrix[] {
  const matrix = expTwist([0, 0, 0, ...rotation]);
  return viewmats.map((viewmat) => {
    const from = centerOfPose(viewmat).map((value, k) => value - center[k]);
    const to = [0, 1, 2].map(
      (i) =>
        growth * [0, 1, 2].reduce((sum, k) => sum + matrix[i][k] * from[k], 0) + center[i] + translation[i],
    );
    const rows = [0, 1, 2].map((row) =>
      [0, 1, 2].map((i) => [0, 1, 2].reduce((sum, k) => sum + viewmat[row][k] * matrix[i][k], 0)),
    );
    return [
      ...rows.map((row) => [...row, -row.reduce((sum, value, k) => sum + value * to[k], 0)]),
      [0, 0, 0, 1],
    ];
  });
}

/**
 * scale²·Σ|rotation vector from anchor to pose|² + Σ|displacement of the centre|²: what the least-squares similarity minimises.
 */
export function poseDistance(poses: readonly Matrix[], anchors: readonly Matrix[], scale: number): number {
  return poses.reduce((total, pose, i) => {
    const anchor = anchors[i];
    const [a, b] = [centerOfPose(pose), centerOfPose(anchor)];
    const trace = [0, 1, 2].reduce(
      (sum, row) => sum + [0, 1, 2].reduce((dot, k) => dot + pose[row][k] * anchor[row][k], 0),
      0,
    );
    const angle = Math.acos(Math.min(1, (trace - 1) / 2));
    return total + (scale * angle) ** 2 + a.reduce((sum, value, k) => sum + (value - b[k]) ** 2, 0);
  }, 0);
}
