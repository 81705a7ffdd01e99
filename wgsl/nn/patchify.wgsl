// Cuts pictures [B, channels, side, side] into rows of patches [B·grid², channels·patch²], channel first within a row, as a
// convolution's kernel is stored. One invocation per number of the result.

#include <grid>

struct Sizes {
  count: u32,
  channels: u32,
  side: u32,
  patchSide: u32,
  grid: u32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> pixels: array<f32>;
@group(0) @binding(2) var<storage, read_write> patches: array<f32>;

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
  let width = sizes.channels * area;
  let row = i / width;
  let channel = i % width / area;
  let cell = row % (sizes.grid * sizes.grid);
  let y = cell / sizes.grid * sizes.patchSide + i % area / sizes.patchSide;
  let x = cell % sizes.grid * sizes.patchSide + i % sizes.patchSide;
  patches[i] = pixels[((row / (sizes.grid * sizes.grid) * sizes.channels + channel) * sizes.side + y) * sizes.side + x];
}
