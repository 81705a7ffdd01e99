// x̂ = (x − mean)/√(variance + epsilon) over rows of the residual stream x [rows, width], tiled in f16 for the product that follows; weight
// and bias of the layer norm are part of that product's weights. Keeps the reciprocal standard deviation of each row.

#include <subgroup-thread>
#include <row-group>
#include <finite>

struct Sizes {
  width: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> normalised: array<f16>;
@group(0) @binding(3) var<storage, read_write> reciprocalDeviations: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, at: SubgroupThread) {
  let row = group.x;
  let thread = threadOf(at);
  let width = sizes.width;
  var values: array<f32, VALUES>;
  var sum = 0.0;
  for (var v = 0u; v < VALUES; v++) {
    let column = v * THREADS + thread;
    values[v] = 0.0;
    if (column < width) {
      values[v] = x[row * width + column];
    }
    sum += values[v];
  }
  let mean = rowTotal(at, sum) / f32(width);
  var squares = 0.0;
  for (var v = 0u; v < VALUES; v++) {
    let centred = select(0.0, values[v] - mean, v * THREADS + thread < width);
    squares += centred * centred;
  }
  let reciprocalDeviation = reciprocalRoot(rowTotal(at, squares) / f32(width) + sizes.epsilon);
  for (var v = 0u; v < VALUES; v++) {
    let column = v * THREADS + thread;
    if (column < width) {
      normalised[tiled(row, column, (width + 15u) / 16u)] = f16((values[v] - mean) * reciprocalDeviation);
    }
  }
  if (thread == 0u) {
    reciprocalDeviations[row] = reciprocalDeviation;
  }
}
