// One radix pass for CPUs behind a software driver, last part: each thread walks its chunk again and moves its pairs one
// after the other, its row of histogram [GROUPS, DIGITS] saying where the next pair of each digit goes.

#include <chunks>

@group(0) @binding(0) var<storage, read> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> histogram: array<u32>;
@group(0) @binding(2) var<storage, read> keys_in: array<u32>;
@group(0) @binding(3) var<storage, read> values_in: array<u32>;
@group(0) @binding(4) var<storage, read_write> keys_out: array<u32>;
@group(0) @binding(5) var<storage, read_write> values_out: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let count = min(counts[COUNT_WORD], CAPACITY);
  let walker = id.x;
  if (walker >= active_chunks(count)) {
    return;
  }
  let size = chunk_size(count);
  let end = min(count, (walker + 1u) * size);
  for (var i = walker * size; i < end; i++) {
    let key = keys_in[i];
    let cursor = walker * DIGITS + (key >> SHIFT) % DIGITS;
    let place = histogram[cursor];
    histogram[cursor] = place + 1u;
    keys_out[place] = key;
    values_out[place] = value_of(i);
  }
}

fn value_of(i: u32) -> u32 {
  if (IDENTITY) {
    return i;
  }
  return values_in[i];
}
