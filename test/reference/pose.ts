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
