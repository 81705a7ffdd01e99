// One radix pass, second part: workgroup d turns row d of histogram [DIGITS, GROUPS] into exclusive prefix sums over the
// active groups, in place, and writes the row's sum to totals[d].

#include <chunks>
#include <workgroup_scan>

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> histogram: array<u32>;
@group(0) @binding(2) var<storage, read_write> totals: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let active_groups = active_chunks(min(counts[COUNT_WORD], CAPACITY));
  let per_thread = (active_groups + THREADS - 1u) / THREADS;
  let row = group.x * GROUPS;
  let first = row + thread * per_thread;
  let end = min(first + per_thread, row + active_groups);
  var sum = 0u;
  for (var i = first; i < end; i++) {
    sum += histogram[i];
  }
  let scanned = workgroup_scan(thread, sum);
  var before = scanned.before;
  for (var i = first; i < end; i++) {
    let own = histogram[i];
    histogram[i] = before;
    before += own;
  }
  if (thread == 0u) {
    totals[group.x] = scanned.total;
  }
}
