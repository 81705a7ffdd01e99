// Assigns sources of splits: the k-th dead row, and after the dead rows those from `count` on, get the row with the
// k-th highest score as their source. A row is a source at most once. Rows keep their values if no score is left.
// One thread a row.

#include <grid>

struct Assignment {
  count: u32,
  rows: u32,
}

@group(0) @binding(0) var<uniform> assignment: Assignment;
@group(0) @binding(1) var<storage, read> scanTotals: array<u32>;
// [count]: exclusive prefix sum of the dead flags.
@group(0) @binding(2) var<storage, read> deadBefore: array<u32>;
// [count], by falling score.
@group(0) @binding(3) var<storage, read> sortedKeys: array<u32>;
@group(0) @binding(4) var<storage, read> sortedRows: array<u32>;
@group(0) @binding(5) var<storage, read_write> sources: array<u32>;
// All 0 before.
@group(0) @binding(6) var<storage, read_write> drawn: array<u32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = linearGroup(group, groups) * GROUP + thread;
  if (row >= assignment.rows) {
    return;
  }
  let count = assignment.count;
  var place = scanTotals[TOTAL] + row - count;
  var waits = true;
  if (row < count) {
    place = deadBefore[row];
    let next = select(scanTotals[TOTAL], deadBefore[min(row + 1u, count - 1u)], row + 1u < count);
    waits = next > place;
  }
  var source = u32(NONE);
  if (waits && place < count && sortedKeys[place] < LAST) {
    source = sortedRows[place];
    drawn[source] = 1u;
  }
  sources[row] = source;
}
