// Σ x·t and Σ x² of one row of x [rows, width] and its target t, for the cosine similarity and its gradient. The squares are at
// least 1e-24: no division by zero. If they overflow, both sums are infinite, so that the cosine is not finite either.

fn dotAndSquares(row: Row) -> vec2f {
  var dot = 0.0;
  var squares = 0.0;
  for (var i = row.lane; i < sizes.width; i += LANES) {
    let value = x[(sizes.firstRow + row.index) * sizes.width + i];
    dot += value * targets[row.index * sizes.targetStride + i];
    squares += value * value;
  }
  let sums = vec2f(rowSum(row, dot), max(rowSum(row, squares), 1e-24));
  return select(sums.yy, sums, isFinite(sums.y));
}
