// gradX = dL/dpixels [B, channels, side, side] (+)= dL/dpatches, each at its pixel. Pixels right of and below the last whole patch
// get 0.

#include <grid>
#include <elementwise>
#include <input-gradient>

struct Sizes {
  accumulates: u32,
  count: u32,
  channels: u32,
  // As in patchify.wgsl.
  side: u32,
  patchSide: u32,
  grid: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradPatches: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradX: array<f32>;

fn computeElement(i: u32) {
  let area = sizes.patchSide * sizes.patchSide;
  let x = i % sizes.side;
  let y = i / sizes.side % sizes.side;
  let channel = i / (sizes.side * sizes.side) % sizes.channels;
  let batch = i / (sizes.side * sizes.side * sizes.channels);
  let column = x / sizes.patchSide;
  let line = y / sizes.patchSide;
  var value = 0.0;
  if (column < sizes.grid && line < sizes.grid) {
    let row = (batch * sizes.grid + line) * sizes.grid + column;
    value = gradPatches[(row * sizes.channels + channel) * area + y % sizes.patchSide * sizes.patchSide + x % sizes.patchSide];
  }
  writeGradX(i, value);
}
