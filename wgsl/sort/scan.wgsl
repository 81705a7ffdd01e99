// Second half of the scan: each workgroup sums the partials before its own, then walks its chunk tile by tile and leaves
// each value's exclusive prefix in its place. Group 0 writes the total over all values, also when there are none.

#include <chunks>
#include <scan_shape>
#include <workgroup_scan>

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> partials: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<u32>;
@group(0) @binding(3) var<storage, read_write> totals: array<u32>;

const PER_THREAD = TILE / THREADS;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let count = partials[0];
  let active_groups = active_chunks(count, shape.workers);
  if (group.x > 0u && group.x >= active_groups) {
    return;
  }

  let upto = select(group.x, active_groups, group.x == 0u);
  var partial = 0u;
  for (var i = thread; i < upto; i += THREADS) {
    partial = saturating_add(partial, partials[1u + i]);
  }
  var before = workgroup_scan(thread, partial, min(THREADS, upto)).total;
  if (group.x == 0u) {
    if (thread == 0u) {
      totals[shape.total_word] = before;
    }
    before = 0u;
  }

  let size = chunk_size(count, shape.workers);
  let end = min(count, (group.x + 1u) * size);
  for (var tile = group.x * size; tile < end; tile += TILE) {
    let first = tile + thread * PER_THREAD;
    let stop = min(first + PER_THREAD, end);
    var sum = 0u;
    for (var i = first; i < stop; i++) {
      sum += values[i];
    }
    let scanned = workgroup_scan(thread, sum, min(THREADS, (end - tile + PER_THREAD - 1u) / PER_THREAD));
    var prefix = before + scanned.before;
    for (var i = first; i < stop; i++) {
      let value = values[i];
      values[i] = prefix;
      prefix += value;
    }
    before += scanned.total;
  }
}
