// Finds the first intersection of each tile in sorted order: a search for the first key not below the tile. One thread a tile, one for
// the end of the last tile, and one for the end of the entries without a tile (see emit).
#include <grid>
#include <view>

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> rasterCounters: array<u32>;
@group(0) @binding(2) var<storage, read> sortedTiles: array<u32>;
@group(0) @binding(3) var<storage, read_write> tileStarts: array<u32>;

@compute @workgroup_size(SIZE)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linearGroup(group, groups) * SIZE + lane;
  if (tile > view.tiles.x * view.tiles.y + 1u) { return; }
  // Splits into eighths, not halves: seven loads overlap, with a third of the dependent rounds.
  var low = 0u;
  var high = rasterCounters[INTERSECTIONS];
  while (low < high) {
    let step = (high - low + 7u) / 8u;
    var below = 0u;
    for (var k = 1u; k < 8u; k++) {
      let end = low + k * step;
      below += select(0u, 1u, sortedTiles[min(end, high) - 1u] < tile && end <= high);
    }
    low += below * step;
    high = select(low + step - 1u, high, below == 7u || low + step > high);
  }
  tileStarts[tile] = low;
}
