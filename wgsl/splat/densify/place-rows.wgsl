// Turns the prefix sum of the marks into a list of the marked entries: origins[place] = entry, in the
// order of the entries. One thread an entry.

#include <grid>

@group(0) @binding(0) var<storage, read> scanTotals: array<u32>;
@group(0) @binding(1) var<storage, read> places: array<u32>;
@group(0) @binding(2) var<storage, read_write> origins: array<u32>;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let entries = scanTotals[ENTRIES];
  let entry = linearGroup(group, groups) * GROUP + thread;
  if (entry >= entries) {
    return;
  }
  let place = places[entry];
  var next = scanTotals[TOTAL];
  if (entry + 1u < entries) {
    next = places[entry + 1u];
  }
  if (next > place) {
    origins[place] = entry;
  }
}
