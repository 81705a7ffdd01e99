// Rows of a gradient [rows, width] divided by a power of two each (rowScales), in f16, tiled: the operand of a product.

#include <subgroup-thread>
#include <row-group>

struct Sizes {
  width: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> scaled: array<f16>;
@group(0) @binding(3) var<storage, read_write> rowScales: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, at: SubgroupThread) {
  let row = group.x;
  let thread = threadOf(at);
  let start = row * sizes.width;
  var largest = 0.0;
  for (var column = thread; column < sizes.width; column += THREADS) {
    largest = max(largest, abs(gradient[start + column]));
  }
  let scale = powerOfTwo(rowLargest(at, largest));
  let inverse = select(0.0, 1.0 / scale, scale > 0.0);
  let tiles = (sizes.width + 15u) / 16u;
  for (var column = thread; column < sizes.width; column += THREADS) {
    scaled[tiled(row, column, tiles)] = f16(inverse * gradient[start + column]);
  }
  if (thread == 0u) {
    rowScales[row] = scale;
  }
}
