// First kernel of a radix pass: each workgroup counts the digits of its chunk of the keys, and reads AT_ONCE keys a thread
// at a time. radix-scatter-subgroup reads its rows; no kernel runs between the two.
// histogram [workers, ROW]: the number of keys of a workgroup's chunk with that digit. Rows of idle workgroups keep old
// values.

#include <chunks>
#include <radix-pass>

@group(0) @binding(0) var<uniform> radix: Pass;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> histogram: array<u32>;

const DIGITS = 1u << WIDTH;
const ROW = max(4u, DIGITS); // whole vec4u
const AT_ONCE = 4u; // loads in flight

var<workgroup> found: array<atomic<u32>, DIGITS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let count = min(counts[radix.countWord], radix.capacity);
  if (group.x >= activeChunks(count, radix.workers)) {
    return;
  }
  let size = chunkSize(count, radix.workers);
  let end = min(count, (group.x + 1u) * size);
  for (var first = group.x * size + thread; first < end; first += AT_ONCE * THREADS) {
    var some = array<u32, AT_ONCE>();
    for (var k = 0u; k < AT_ONCE; k++) {
      some[k] = keys[min(first + k * THREADS, end - 1u)];
    }
    for (var k = 0u; k < AT_ONCE; k++) {
      if (first + k * THREADS < end && includes(some[k], radix)) {
        atomicAdd(&found[(some[k] >> radix.shift) & (DIGITS - 1u)], 1u);
      }
    }
  }
  workgroupBarrier();
  for (var digit = thread; digit < ROW; digit += THREADS) {
    histogram[group.x * ROW + digit] = select(0u, atomicLoad(&found[min(digit, DIGITS - 1u)]), digit < DIGITS);
  }
}
