// Adds the contributions of one view to those of the views before: the gradient of the sum of the picture's reds to the red of band 0, over
// C0, is a Gaussian's blending weight summed over the pixels. One thread a Gaussian.

#include <grid>

@group(0) @binding(0) var<storage, read> gaussianCount: array<u32>;
// [N, 3]
@group(0) @binding(1) var<storage, read> gradSh: array<f32>;
@group(0) @binding(2) var<storage, read_write> contributions: array<f32>;

const C0 = 0.28209479177387814;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= gaussianCount[0]) {
    return;
  }
  contributions[row] += gradSh[3u * row] / C0;
}
