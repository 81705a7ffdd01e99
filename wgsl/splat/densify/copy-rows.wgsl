// Fills the rows that have a source with a copy of it, and zeroes their moments; with `forget`, also the moments of every
// source row. In place: a source never has a source. One thread a float, WIDTH floats a row. The bindings
// may be windows of larger buffers: `values` and the moments begin with row `base`, of which rows `first` to before `rows` are
// filled; ACROSS, they come from another window of the same buffer, `others`, and the dispatch without ACROSS updates the moments.

#include <grid>

struct Copy {
  base: u32,
  first: u32,
  rows: u32,
  // Rows that may be copied: from the first up to before the second.
  sourceFirst: u32,
  sourceEnd: u32,
  forget: u32,
}

@group(0) @binding(0) var<uniform> extent: Copy;
@group(0) @binding(1) var<storage, read> sources: array<u32>;
@group(0) @binding(2) var<storage, read> drawn: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;
// Only read, but a dispatch may not bind for reading a buffer that it writes. One word unless ACROSS.
@group(0) @binding(6) var<storage, read_write> others: array<f32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let element = linearGroup(group, groups) * GROUP + thread + (extent.first - extent.base) * WIDTH;
  let row = extent.base + element / WIDTH;
  if (row >= extent.rows) {
    return;
  }
  let source = sources[row];
  let copied = source < PENDING;
  if (copied && source >= extent.sourceFirst && source < extent.sourceEnd) {
    let at = (source - extent.sourceFirst) * WIDTH + element % WIDTH;
    if (ACROSS) {
      values[element] = others[at];
    } else {
      values[element] = values[at];
    }
  }
  if (!ACROSS && (copied || (extent.forget != 0u && drawn[row] > 0u))) {
    m[element] = 0.0;
    v[element] = 0.0;
  }
}
