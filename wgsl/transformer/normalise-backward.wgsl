// The gradient of the residual stream before a layer norm: gradient (+)= r·(g − mean(g) − x̂·mean(g·x̂)) with g = dL/dx̂ and r the
// reciprocal standard deviation. INCOMING says what the stream's gradient was: nothing, the same rows, or one row an image (`pooled`, row
// 0 of each `tokens`). Also stores the row divided by a power of two (rowScales) in f16, tiled: the operand of the products that
// follow.

#include <subgroup-thread>
#include <subgroup-row>
#include <row-scale>

struct Sizes {
  rows: u32,
  tokens: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradNormalised: array<vec4f>;
@group(0) @binding(2) var<storage, read> normalised: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> reciprocalDeviations: array<f32>;
@group(0) @binding(4) var<storage, read> pooled: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> scaled: array<vec4<f16>>;
@group(0) @binding(7) var<storage, read_write> rowScales: array<f32>;

const NOTHING = 0u;
const SAME_ROWS = 1u;
const POOLED = 2u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, at: SubgroupThread) {
  let ownRow = rowOf(group, at);
  let row = min(ownRow, sizes.rows - 1u);
  let start = row * ROW_QUADS;
  var g: array<vec4f, QUADS>;
  var xHat: array<vec4f, QUADS>;
  // What the stream's gradient was; loaded here, so that all loads are under way together.
  var incoming: array<vec4f, QUADS>;
  var sum = vec4f();
  var dot = vec4f();
  for (var q = 0u; q < QUADS; q++) {
    let quad = q * SUBGROUP + at.lane;
    g[q] = vec4f();
    xHat[q] = vec4f();
    incoming[q] = vec4f();
    if (quad < ROW_QUADS) {
      g[q] = gradNormalised[start + quad];
      xHat[q] = vec4f(normalised[tiledQuad(row, quad)]);
      if (INCOMING == SAME_ROWS) {
        incoming[q] = gradient[start + quad];
      }
      if (INCOMING == POOLED && row % sizes.tokens == 0u) {
        incoming[q] = pooled[row / sizes.tokens * ROW_QUADS + quad];
      }
    }
    sum += g[q];
    dot += g[q] * xHat[q];
  }
  let mean = rowTotal(sum) / f32(WIDTH);
  let meanDot = rowTotal(dot) / f32(WIDTH);
  let reciprocalDeviation = reciprocalDeviations[row];
  var largest = vec4f();
  for (var q = 0u; q < QUADS; q++) {
    g[q] = reciprocalDeviation * (g[q] - mean - xHat[q] * meanDot) + incoming[q];
    if (q * SUBGROUP + at.lane < ROW_QUADS) {
      largest = max(largest, abs(g[q]));
    }
  }
  let scale = powerOfTwo(rowLargest(largest));
  let inverse = select(0.0, 1.0 / scale, scale > 0.0);
  if (ownRow >= sizes.rows) {
    return;
  }
  for (var q = 0u; q < QUADS; q++) {
    let quad = q * SUBGROUP + at.lane;
    if (quad < ROW_QUADS) {
      gradient[start + quad] = g[q];
      scaled[tiledQuad(row, quad)] = vec4<f16>(inverse * g[q]);
    }
  }
  if (at.lane == 0u) {
    rowScales[row] = scale;
  }
}
