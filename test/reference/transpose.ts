/** The transpose of a row-major matrix [rows, columns]. */
export function transpose(matrix: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const transposed = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) transposed[c * rows + r] = matrix[r * columns + c];
  }
  return transposed;
}
