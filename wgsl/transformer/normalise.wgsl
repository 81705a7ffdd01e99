// x̂ = (x − mean)/√(variance + epsilon) over rows of the residual stream x [rows, WIDTH], tiled in f16 for the product that follows; weight
// and bias of the layer norm are part of that product's weights. Keeps the reciprocal standard deviation of each row.

#include <subgroup-thread>
#include <subgroup-row>
#include <row-scale>
#include <finite>

struct Sizes {
  rows: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> normalised: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> reciprocalDeviations: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, at: SubgroupThread) {
  let row = rowOf(group, at);
  let start = min(row, sizes.rows - 1u) * ROW_QUADS;
  var values: array<vec4f, QUADS>;
  var sum = vec4f();
  for (var q = 0u; q < QUADS; q++) {
    let quad = q * SUBGROUP + at.lane;
    values[q] = vec4f();
    if (quad < ROW_QUADS) {
      values[q] = x[start + quad];
    }
    sum += values[q];
  }
  let mean = rowTotal(sum) / f32(WIDTH);
  var squares = vec4f();
  for (var q = 0u; q < QUADS; q++) {
    let centred = select(vec4f(), values[q] - mean, q * SUBGROUP + at.lane < ROW_QUADS);
    squares += centred * centred;
  }
  let reciprocalDeviation = reciprocalRoot(rowTotal(squares) / f32(WIDTH) + sizes.epsilon);
  if (row >= sizes.rows) {
    return;
  }
  for (var q = 0u; q < QUADS; q++) {
    let quad = q * SUBGROUP + at.lane;
    if (quad < ROW_QUADS) {
      normalised[tiledQuad(row, quad)] = vec4<f16>((values[q] - mean) * reciprocalDeviation);
    }
  }
  if (at.lane == 0u) {
    reciprocalDeviations[row] = reciprocalDeviation;
  }
}
