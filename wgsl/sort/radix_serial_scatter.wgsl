// One radix pass for CPUs behind a software driver, last part: each thread walks its chunk again and moves its pairs one
// after the other, its row of histogram [workers, digits] saying where the next pair of each digit goes.

#include <chunks>
#include <radix_pass>

@group(0) @binding(0) var<uniform> radix: Pass;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> histogram: array<u32>;
@group(0) @binding(3) var<storage, read> keys_in: array<u32>;
@group(0) @binding(4) var<storage, read> values_in: array<u32>;
@group(0) @binding(5) var<storage, read_write> keys_out: array<u32>;
@group(0) @binding(6) var<storage, read_write> values_out: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let count = min(counts[radix.count_word], radix.capacity);
  if (id.x >= active_chunks(count, radix.workers)) {
    return;
  }
  let size = chunk_size(count, radix.workers);
  let end = min(count, (id.x + 1u) * size);
  for (var i = id.x * size; i < end; i++) {
    let key = keys_in[i];
    if (!keeps(key, radix)) {
      continue;
    }
    let cursor = id.x * radix.digits + digit_of(key, radix);
    let place = histogram[cursor];
    histogram[cursor] = place + 1u;
    keys_out[place] = key;
    if (radix.identity == 1u) {
      values_out[place] = i;
    } else {
      values_out[place] = values_in[i];
    }
  }
}
