// Second kernel of a radix pass: workgroup d turns row d of histogram [digits, workers] into exclusive prefix sums over the
// active workers, in place, and writes the row's sum to totals[d].

#include <chunks>
#include <radix-pass>
#include <workgroup-scan>

@group(0) @binding(0) var<uniform> radix: Pass;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> histogram: array<u32>;
@group(0) @binding(3) var<storage, read_write> totals: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let columns = activeChunks(min(counts[radix.countWord], radix.capacity), radix.workers);
  let perThread = (columns + THREADS - 1u) / THREADS;
  let row = group.x * radix.workers;
  let first = row + thread * perThread;
  let end = min(first + perThread, row + columns);
  var sum = 0u;
  for (var i = first; i < end; i++) {
    sum += histogram[i];
  }
  let scanned = workgroupScan(thread, sum, min(THREADS, columns));
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
