// dL/dscore = p·(dL/dp − Σ p·dL/dp) over rows of probabilities p [rows, width], in place in `gradient`. Masked columns have p = 0, so
// gradient 0.

#include <grid>
#include <rowwise>

struct Sizes {
  rows: u32,
  width: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> probabilities: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;

fn computeRow(row: Row) {
  let start = row.index * sizes.width;
  var dot = 0.0;
  for (var i = row.lane; i < sizes.width; i += LANES) {
    dot += probabilities[start + i] * gradient[start + i];
  }
  dot = rowSum(row, dot);
  if (!row.exists) {
    return;
  }
  for (var i = row.lane; i < sizes.width; i += LANES) {
    gradient[start + i] = probabilities[start + i] * (gradient[start + i] - dot);
  }
}
