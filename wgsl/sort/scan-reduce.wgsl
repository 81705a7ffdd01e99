// First half of the scan: each workgroup sums its chunk of the values. Sums are u32 and saturate.
// partials[0] is the count, clamped to the capacity; partials[1 + group] is the sum of that workgroup's chunk.

#include <chunks>
#include <scan-shape>
#include <workgroup-scan>

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> values: array<u32>;
@group(0) @binding(3) var<storage, read_write> partials: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let count = min(counts[shape.countWord], shape.capacity);
  if (group.x == 0u && thread == 0u) {
    partials[0] = count;
  }
  if (group.x >= activeChunks(count, shape.workers)) {
    return;
  }
  let size = chunkSize(count, shape.workers);
  let end = min(count, (group.x + 1u) * size);
  var sum = 0u;
  for (var i = group.x * size + thread; i < end; i += THREADS) {
    sum = saturatingAdd(sum, values[i]);
  }
  let total = workgroupScan(thread, sum, min(THREADS, size)).total;
  if (thread == 0u) {
    partials[1u + group.x] = total;
  }
}
