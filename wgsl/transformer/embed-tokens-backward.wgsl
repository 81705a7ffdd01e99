// The gradient of the embedded patches, from that of the first residual stream: rows divided by a power of two each (rowScales), in f16, tiled.

#include <subgroup-thread>
#include <row-group>
#include <row-scale>
#include <finite>
#include <patch-token>

@group(0) @binding(4) var<storage, read> gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> scaled: array<f16>;
@group(0) @binding(6) var<storage, read_write> rowScales: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, at: SubgroupThread) {
  let row = group.x;
  let thread = threadOf(at);
  let image = row / sizes.patches;
  let index = row % sizes.patches + sizes.classTokens;
  let start = (image * (sizes.patches + sizes.classTokens) + index) * sizes.width;
  var g: array<f32, VALUES>;
  for (var v = 0u; v < VALUES; v++) {
    let column = v * THREADS + thread;
    g[v] = 0.0;
    if (column < sizes.width) {
      g[v] = gradient[start + column];
    }
  }
  if (HAS_NORM) {
    let token = loadToken(at, image, index);
    var sum = 0.0;
    var dot = 0.0;
    for (var v = 0u; v < VALUES; v++) {
      let column = v * THREADS + thread;
      if (column < sizes.width) {
        g[v] *= weight[column];
        sum += g[v];
        dot += g[v] * token.values[v];
      }
    }
    let mean = rowTotal(at, sum) / f32(sizes.width);
    let meanDot = rowTotal(at, dot) / f32(sizes.width);
    for (var v = 0u; v < VALUES; v++) {
      if (v * THREADS + thread < sizes.width) {
        g[v] = token.reciprocalDeviation * (g[v] - mean - token.values[v] * meanDot);
      }
    }
  }
  var largest = 0.0;
  for (var v = 0u; v < VALUES; v++) {
    largest = max(largest, abs(g[v]));
  }
  let scale = powerOfTwo(rowLargest(at, largest));
  let inverse = select(0.0, 1.0 / scale, scale > 0.0);
  for (var v = 0u; v < VALUES; v++) {
    let column = v * THREADS + thread;
    if (column < sizes.width) {
      scaled[tiled(row, column, (sizes.width + 15u) / 16u)] = f16(inverse * g[v]);
    }
  }
  if (thread == 0u) {
    rowScales[row] = scale;
  }
}
