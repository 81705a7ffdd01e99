// Gathers tile counts in depth order, and runs the first half of the scan that computes each Gaussian's first intersection (see
// sort/scan.ts): each workgroup sums its chunk. Sums are u32 and saturate.
// partials[0] is the number of visible Gaussians; partials[1 + group] the sum of that group's chunk.
#include <chunks>
#include <scan-shape>
#include <workgroup-scan>

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> rasterCounters: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> tileCounts: array<u32>;
@group(0) @binding(4) var<storage, read_write> values: array<u32>;
@group(0) @binding(5) var<storage, read_write> partials: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let count = min(rasterCounters[shape.countWord], shape.capacity);
  if (group.x == 0u && thread == 0u) { partials[0] = count; }
  if (group.x >= activeChunks(count, shape.workers)) { return; }
  let size = chunkSize(count, shape.workers);
  let end = min(count, (group.x + 1u) * size);
  var sum = 0u;
  for (var k = group.x * size + thread; k < end; k += THREADS) {
    let intersections = tileCounts[order[k]];
    values[k] = intersections;
    sum = saturatingAdd(sum, intersections);
  }
  let total = workgroupScan(thread, sum, min(THREADS, size)).total;
  if (thread == 0u) { partials[1u + group.x] = total; }
}
