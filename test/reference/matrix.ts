/** Small dense matrices, row-major, for references that are written for clarity, not speed. */
export type Matrix = number[][];

export function multiply(a: Matrix, b: Matrix): Matrix {
  return a.map((row) =>
    b[0].map((_, column) => row.reduce((sum, value, k) => sum + value * b[k][column], 0)),
  );
}

export function transpose(a: Matrix): Matrix {
  return a[0].map((_, column) => a.map((row) => row[column]));
}

export function scale(a: Matrix, factor: number): Matrix {
  return a.map((row) => row.map((value) => factor * value));
}

export function apply(a: Matrix, vector: number[]): number[] {
  return a.map((row) => dot(row, vector));
}

export function dot(a: number[], b: number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}
