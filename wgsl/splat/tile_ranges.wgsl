// Where each tile's pairs begin among the sorted: a binary search for the first key not below the tile. One thread a tile,
// one for the end of the last, and one for the end of the pairs left over behind it (see emit).
#include <grid>
#include <view>
#include <counters>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> counters: array<u32>;
@group(0) @binding(2) var<storage, read> sortedTiles: array<u32>;
@group(0) @binding(3) var<storage, read_write> tileStarts: array<u32>;

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linear_group(group, groups) * SIZE + lane;
  if (tile > view.tiles.x * view.tiles.y + 1u) { return; }
  var low = 0u;
  var high = counters[INTERSECTIONS];
  while (low < high) {
    let middle = (low + high) / 2u;
    if (sortedTiles[middle] < tile) { low = middle + 1u; } else { high = middle; }
  }
  tileStarts[tile] = low;
}
