// Softmax of rows of scores [rows, width], in place. With CAUSAL, row q of every `queries` rows attends to columns 0…q only; the
// other columns become 0.

#include <grid>
#include <rowwise>

struct Sizes {
  rows: u32,
  width: u32,
  queries: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read_write> scores: array<f32>;

fn computeRow(row: Row) {
  let start = row.index * sizes.width;
  let visible = select(sizes.width, row.index % sizes.queries + 1u, CAUSAL);
  var largest = -3.4e38;
  for (var i = row.lane; i < visible; i += LANES) {
    largest = max(largest, scores[start + i]);
  }
  largest = rowMax(row, largest);
  var sum = 0.0;
  for (var i = row.lane; i < visible; i += LANES) {
    sum += exp(scores[start + i] - largest);
  }
  sum = rowSum(row, sum);
  if (!row.exists) {
    return;
  }
  for (var i = row.lane; i < sizes.width; i += LANES) {
    scores[start + i] = select(0.0, exp(scores[start + i] - largest) / sum, i < visible);
  }
}
