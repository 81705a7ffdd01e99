// One radix pass, first part: each workgroup counts the digits of its chunk of the keys.
// histogram [DIGITS, GROUPS]: how many keys of a group's chunk have that digit. Columns of idle groups stay stale.

#include <chunks>

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> histogram: array<u32>;

var<workgroup> digits: array<atomic<u32>, DIGITS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let count = min(counts[COUNT_WORD], CAPACITY);
  if (group.x >= active_chunks(count)) {
    return;
  }
  let size = chunk_size(count);
  let end = min(count, (group.x + 1u) * size);
  for (var i = group.x * size + thread; i < end; i += THREADS) {
    atomicAdd(&digits[(keys[i] >> SHIFT) % DIGITS], 1u);
  }
  workgroupBarrier();
  for (var digit = thread; digit < DIGITS; digit += THREADS) {
    histogram[digit * GROUPS + group.x] = atomicLoad(&digits[digit]);
  }
}
