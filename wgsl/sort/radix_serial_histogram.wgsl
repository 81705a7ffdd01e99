// One radix pass for CPUs behind a software driver, first part: each thread walks a chunk of its own and counts the
// digits of its keys. No barriers and no atomics, which are what such a driver is slow at.
// histogram [GROUPS, DIGITS], a row per thread. Rows of idle threads stay stale.

#include <chunks>

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> histogram: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let count = min(counts[COUNT_WORD], CAPACITY);
  let walker = id.x;
  if (walker >= active_chunks(count)) {
    return;
  }
  let row = walker * DIGITS;
  for (var digit = 0u; digit < DIGITS; digit++) {
    histogram[row + digit] = 0u;
  }
  let size = chunk_size(count);
  let end = min(count, (walker + 1u) * size);
  for (var i = walker * size; i < end; i++) {
    histogram[row + (keys[i] >> SHIFT) % DIGITS]++;
  }
}
