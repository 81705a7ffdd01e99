// Second half of the scan: each workgroup replaces its values by their exclusive prefixes. Workgroup 0 writes the total.

#include <chunks>
#include <scan-shape>
#include <workgroup-scan>
#include <scan-chunk>

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> partials: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<u32>;
@group(0) @binding(3) var<storage, read_write> totals: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let total = scanChunk(group.x, thread);
  if (group.x == 0u && thread == 0u) {
    totals[shape.totalWord] = total;
  }
}
