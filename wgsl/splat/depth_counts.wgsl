// Tile counts in depth order, ready for the scan that gives each splat its first intersection. One thread a splat.
#include <grid>
#include <counters>

@group(0) @binding(0) var<storage, read> counters: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> tileCounts: array<u32>;
@group(0) @binding(3) var<storage, read_write> offsets: array<u32>;

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = counters[VISIBLE];
  for (var k = linear_group(group, groups) * SIZE + lane; k < count; k += groups.x * groups.y * SIZE) {
    offsets[k] = tileCounts[order[k]];
  }
}
