// The gradient of the residual stream before a layer norm: gradient (+)= r·(g − mean(g) − x̂·mean(g·x̂)) with g = dL/dx̂ and r the
// reciprocal standard deviation. INCOMING says what the stream's gradient was: nothing, the same rows, or one row an image (`pooled`, row
// 0 of each `tokens`). Also stores the row divided by a power of two (rowScales) in f16, tiled: the operand of the products that
// follow.

#include <subgroup-thread>
#include <row-group>

struct Sizes {
  width: u32,
  tokens: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradNormalised: array<f32>;
@group(0) @binding(2) var<storage, read> normalised: array<f16>;
@group(0) @binding(3) var<storage, read> reciprocalDeviations: array<f32>;
@group(0) @binding(4) var<storage, read> pooled: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(6) var<storage, read_write> scaled: array<f16>;
@group(0) @binding(7) var<storage, read_write> rowScales: array<f32>;

const NOTHING = 0u;
const SAME_ROWS = 1u;
const POOLED = 2u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, at: SubgroupThread) {
  let row = group.x;
  let thread = threadOf(at);
  let width = sizes.width;
  let tiles = (width + 15u) / 16u;
  var g: array<f32, VALUES>;
  var xHat: array<f32, VALUES>;
  var sum = 0.0;
  var dot = 0.0;
  for (var v = 0u; v < VALUES; v++) {
    let column = v * THREADS + thread;
    g[v] = 0.0;
    xHat[v] = 0.0;
    if (column < width) {
      g[v] = gradNormalised[row * width + column];
      xHat[v] = f32(normalised[tiled(row, column, tiles)]);
    }
    sum += g[v];
    dot += g[v] * xHat[v];
  }
  let mean = rowTotal(at, sum) / f32(width);
  let meanDot = rowTotal(at, dot) / f32(width);
  let reciprocalDeviation = reciprocalDeviations[row];
  var largest = 0.0;
  for (var v = 0u; v < VALUES; v++) {
    let column = v * THREADS + thread;
    var value = reciprocalDeviation * (g[v] - mean - xHat[v] * meanDot);
    if (column < width) {
      if (INCOMING == SAME_ROWS) {
        value += gradient[row * width + column];
      }
      if (INCOMING == POOLED && row % sizes.tokens == 0u) {
        value += pooled[row / sizes.tokens * width + column];
      }
      gradient[row * width + column] = value;
      largest = max(largest, abs(value));
    }
    g[v] = value;
  }
  let scale = powerOfTwo(rowLargest(at, largest));
  let inverse = select(0.0, 1.0 / scale, scale > 0.0);
  for (var v = 0u; v < VALUES; v++) {
    let column = v * THREADS + thread;
    if (column < width) {
      scaled[tiled(row, column, tiles)] = f16(inverse * g[v]);
    }
  }
  if (thread == 0u) {
    rowScales[row] = scale;
  }
}
