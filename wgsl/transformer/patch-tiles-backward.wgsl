// gradPixels = dL/dpixels [B, channels, side, side] from dL/dpatches, rows of `width` numbers, of which the first channels·patchSide² belong to
// pixels. Pixels right of and below the last whole patch get 0.

#include <grid>
#include <elementwise>

struct Sizes {
  count: u32,
  channels: u32,
  // As in patch-tiles.wgsl.
  side: u32,
  patchSide: u32,
  grid: u32,
  width: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradPatches: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradPixels: array<f32>;

fn computeElement(i: u32) {
  let x = i % sizes.side;
  let y = i / sizes.side % sizes.side;
  let plane = i / (sizes.side * sizes.side);
  let cell = vec2u(x, y) / sizes.patchSide;
  var value = 0.0;
  if (cell.x < sizes.grid && cell.y < sizes.grid) {
    let row = (plane / sizes.channels * sizes.grid + cell.y) * sizes.grid + cell.x;
    let column = (plane % sizes.channels * sizes.patchSide + y % sizes.patchSide) * sizes.patchSide + x % sizes.patchSide;
    value = gradPatches[row * sizes.width + column];
  }
  gradPixels[i] = value;
}
