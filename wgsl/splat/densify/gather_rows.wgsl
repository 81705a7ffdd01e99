// Moves rows of WIDTH floats to the places that a plan gives them: gathered[row] = values[origins[row] % count]. An origin at or
// above `count` is a copy (see plan_growth.wgsl for the four parts): with FRESH its row is zero. One thread a float.

#include <grid>

struct Extent {
  rows: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> extent: Extent;
@group(0) @binding(1) var<storage, read> origins: array<u32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> gathered: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let element = linear_group(group, groups) * GROUP + thread;
  let row = element / WIDTH;
  if (row >= extent.rows) {
    return;
  }
  let origin = origins[row];
  var value = 0.0;
  if (!FRESH || origin < extent.count) {
    value = values[(origin % extent.count) * WIDTH + element % WIDTH];
  }
  gathered[element] = value;
}
