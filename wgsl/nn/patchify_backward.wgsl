// Puts gradients of patches back in their places: dL/dpixels (+)= dL/dpatches. Pixels right of and below the last whole patch
// get 0. One invocation per pixel and channel.

#include <grid>

@group(0) @binding(0) var<storage, read> grad_patches: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad_pixels: array<f32>;

const AREA = PATCH * PATCH;

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
  let x = i % SIDE;
  let y = i / SIDE % SIDE;
  let channel = i / (SIDE * SIDE) % CHANNELS;
  let batch = i / (SIDE * SIDE * CHANNELS);
  let column = x / PATCH;
  let line = y / PATCH;
  var value = 0.0;
  if (column < GRID && line < GRID) {
    let row = (batch * GRID + line) * GRID + column;
    value = grad_patches[(row * CHANNELS + channel) * AREA + y % PATCH * PATCH + x % PATCH];
  }
  if (ACCUMULATE) {
    value += grad_pixels[i];
  }
  grad_pixels[i] = value;
}
