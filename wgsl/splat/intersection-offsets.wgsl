// Second half of the scan of tile counts (see sort/scan.ts): each Gaussian's first intersection. Group 0 then checks the capacity. If it is
// exceeded, it latches the failure and sets the number of Gaussians to zero: every later kernel loops to one of these counts, so this
// step and all later ones change nothing until the host has grown the buffers.
#include <chunks>
#include <scan-shape>
#include <workgroup-scan>
#include <scan-chunk>

struct CapacityCheck { step: u32, capacity: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<uniform> capacityCheck: CapacityCheck;
@group(0) @binding(2) var<storage, read> partials: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<u32>;
@group(0) @binding(4) var<storage, read_write> rasterCounters: array<u32>;
@group(0) @binding(5) var<storage, read_write> gaussianCount: array<u32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let wanted = scanChunk(group.x, thread);
  if (group.x > 0u || thread > 0u) { return; }
  rasterCounters[WANTED] = wanted;
  if (wanted > capacityCheck.capacity) {
    if (rasterCounters[FAILED] == 0u) {
      rasterCounters[FAILED] = 1u + capacityCheck.step;
      rasterCounters[NEEDED] = wanted;
    }
    gaussianCount[0] = 0u;
    rasterCounters[VISIBLE] = 0u;
  }
  rasterCounters[INTERSECTIONS] = select(wanted, 0u, rasterCounters[FAILED] != 0u);
}
