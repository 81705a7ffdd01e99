// Moves rows of WIDTH floats to the positions in a plan: gathered[row] = values[origins[row] % count]. An origin at or
// above `count` is a copy (see plan-growth.wgsl for the four parts): with FRESH its row is zero. One thread a float. Both bindings
// may be windows of larger buffers: of the new rows, `first` to before `end`; of the old rows, `oldFirst` to before
// `oldEnd`. Other dispatches write the new rows that come from other old rows.

#include <grid>

struct Extent {
  first: u32,
  end: u32,
  oldFirst: u32,
  oldEnd: u32,
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
  let element = linearGroup(group, groups) * GROUP + thread;
  let row = extent.first + element / WIDTH;
  if (row >= extent.end) {
    return;
  }
  let origin = origins[row];
  let old = origin % extent.count;
  if (old < extent.oldFirst || old >= extent.oldEnd) {
    return;
  }
  var value = 0.0;
  if (!FRESH || origin < extent.count) {
    value = values[(old - extent.oldFirst) * WIDTH + element % WIDTH];
  }
  gathered[element] = value;
}
