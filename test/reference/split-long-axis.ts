import { rotationMatrix } from './rotation-matrix.ts';

export interface SplitRow {
  mean: number[];
  logScale: number[];
  quat: ArrayLike<number>;
  opacity: number;
}

/** A half of a split: `side` +1 for the copy, −1 for its source. */
export function splitHalf(
  { mean, logScale, quat, opacity }: SplitRow,
  side: number,
  { narrow, share }: { narrow: number; share: number },
): Omit<SplitRow, 'quat'> {
  const axis = logScale.indexOf(Math.max(...logScale));
  const away = side * Math.sqrt(1 - narrow ** 2) * Math.exp(logScale[axis]);
  const rotation = rotationMatrix(quat);
  return {
    mean: mean.map((x, k) => x + rotation[k][axis] * away),
    logScale: logScale.map((x, k) => x + (k === axis ? Math.log(narrow) : 0)),
    opacity: 1 - (1 - opacity) ** share,
  };
}
