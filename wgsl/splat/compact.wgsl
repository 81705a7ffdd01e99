// Lists the visible Gaussians in index order with their depth as a sort key. One thread a Gaussian.
// Positive floats order like their bits, so camera z in f32 is its own key.
#include <grid>

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read> splats: array<vec4f>;
@group(0) @binding(2) var<storage, read> tileCounts: array<u32>;
// Exclusive scan of the visible flags.
@group(0) @binding(3) var<storage, read> place: array<u32>;
@group(0) @binding(4) var<storage, read_write> keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> gaussians: array<u32>;

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = counts[0];
  for (var i = linear_group(group, groups) * SIZE + lane; i < count; i += groups.x * groups.y * SIZE) {
    if (tileCounts[i] > 0u) {
      keys[place[i]] = bitcast<u32>(splats[3u * i + 2u].y);
      gaussians[place[i]] = i;
    }
  }
}
