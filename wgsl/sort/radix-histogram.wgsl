// First kernel of a radix pass: each workgroup counts the digits of its chunk of the keys.
// histogram [digits, workers]: the number of keys of a workgroup's chunk with that digit. Columns of idle workgroups keep
// old values.

#include <chunks>
#include <radix-pass>

@group(0) @binding(0) var<uniform> radix: Pass;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> histogram: array<u32>;

var<workgroup> found: array<atomic<u32>, MAX_DIGITS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let count = min(counts[radix.countWord], radix.capacity);
  if (group.x >= activeChunks(count, radix.workers)) {
    return;
  }
  let size = chunkSize(count, radix.workers);
  let end = min(count, (group.x + 1u) * size);
  for (var i = group.x * size + thread; i < end; i += THREADS) {
    let key = keys[i];
    if (includes(key, radix)) {
      atomicAdd(&found[digitOf(key, radix)], 1u);
    }
  }
  workgroupBarrier();
  for (var digit = thread; digit < radix.digits; digit += THREADS) {
    histogram[digit * radix.workers + group.x] = atomicLoad(&found[digit]);
  }
}
