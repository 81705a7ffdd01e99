// Rows of a gradient [rows, width], width a multiple of four, divided by a power of two each (rowScales), in f16, tiled: the operand of a product.

#include <subgroup-thread>
#include <row-group>
#include <row-scale>

struct Sizes {
  width: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> scaled: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> rowScales: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, at: SubgroupThread) {
  let row = group.x;
  let thread = threadOf(at);
  let quads = sizes.width / 4u;
  let start = row * quads;
  var values: array<vec4f, VALUES>;
  var largest = vec4f();
  for (var v = 0u; v < VALUES; v++) {
    let quad = v * THREADS + thread;
    values[v] = vec4f();
    if (quad < quads) {
      values[v] = gradient[start + quad];
    }
    largest = max(largest, abs(values[v]));
  }
  let scale = powerOfTwo(rowLargest(at, max(max(largest.x, largest.y), max(largest.z, largest.w))));
  let inverse = select(0.0, 1.0 / scale, scale > 0.0);
  let tiles = (sizes.width + 15u) / 16u;
  for (var v = 0u; v < VALUES; v++) {
    let quad = v * THREADS + thread;
    if (quad < quads) {
      scaled[tiled(row, 4u * quad, tiles) / 4u] = vec4<f16>(inverse * values[v]);
    }
  }
  if (thread == 0u) {
    rowScales[row] = scale;
  }
}
