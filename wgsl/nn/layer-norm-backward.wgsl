// With g = dL/dy·weight, x̂ the normalised row and r its reciprocal standard deviation: dL/dx (+)= r·(g − mean(g) − x̂·mean(g·x̂)) over
// rows of x [rows, width].

#include <grid>
#include <rowwise>
#include <input-gradient>

struct Sizes {
  accumulates: u32,
  rows: u32,
  width: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> statistics: array<f32>;
@group(0) @binding(4) var<storage, read> gradY: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradX: array<f32>;

fn computeRow(row: Row) {
  let start = row.index * sizes.width;
  let mean = statistics[2u * row.index];
  let reciprocalDeviation = statistics[2u * row.index + 1u];
  var sum = 0.0;
  var dot = 0.0;
  for (var i = row.lane; i < sizes.width; i += LANES) {
    let g = gradY[start + i] * weight[i];
    sum += g;
    dot += g * (x[start + i] - mean) * reciprocalDeviation;
  }
  let meanG = rowSum(row, sum) / f32(sizes.width);
  let meanDot = rowSum(row, dot) / f32(sizes.width);
  if (!row.exists) {
    return;
  }
  for (var i = row.lane; i < sizes.width; i += LANES) {
    let normalised = (x[start + i] - mean) * reciprocalDeviation;
    writeGradX(start + i, reciprocalDeviation * (gradY[start + i] * weight[i] - meanG - normalised * meanDot));
  }
}
