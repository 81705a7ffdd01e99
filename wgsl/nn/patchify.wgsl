// Cuts pictures [B, CHANNELS, SIDE, SIDE] into rows of patches [B·GRID², CHANNELS·PATCH²], channel first within a row, as a
// convolution's kernel is stored. One invocation per number of the result.

#include <grid>

@group(0) @binding(0) var<storage, read> pixels: array<f32>;
@group(0) @binding(1) var<storage, read_write> patches: array<f32>;

const AREA = PATCH * PATCH;
const WIDTH = CHANNELS * AREA;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = linear_group(group, groups) * THREADS + thread;
  if (i >= COUNT) {
    return;
  }
  let row = i / WIDTH;
  let channel = i % WIDTH / AREA;
  let cell = row % (GRID * GRID);
  let y = cell / GRID * PATCH + i % AREA / PATCH;
  let x = cell % GRID * PATCH + i % PATCH;
  patches[i] = pixels[((row / (GRID * GRID) * CHANNELS + channel) * SIDE + y) * SIDE + x];
}
