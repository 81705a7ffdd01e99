// Puts gradients of patches back in their places: dL/dpixels (+)= dL/dpatches. Pixels right of and below the last whole patch
// get 0. One invocation per pixel and channel.

#include <grid>

struct Sizes {
  accumulates: u32,
  count: u32,
  channels: u32,
  side: u32,
  patchSide: u32,
  grid: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> gradPatches: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradPixels: array<f32>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = linearGroup(group, groups) * THREADS + thread;
  if (i >= sizes.count) {
    return;
  }
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
  if (sizes.accumulates == 1u) {
    value += gradPixels[i];
  }
  gradPixels[i] = value;
}
