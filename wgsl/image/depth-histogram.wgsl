// Adds the depths of a frame to a histogram: pixels of surfaces (alpha of at least a half) by the upper bits of their depth, which
// order positive floats. Counts are integers, so the order of the atomics does not change them. One thread a pixel.

#include <grid>

@group(0) @binding(0) var<storage, read> rgba8: array<u32>;
@group(0) @binding(1) var<storage, read> depth: array<f32>;
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>; // [BINS]

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pixel = linearGroup(group, groups) * 256u + lane;
  if (pixel >= PIXELS) {
    return;
  }
  let bin = bitcast<u32>(depth[pixel]) >> BIN_SHIFT;
  if ((rgba8[pixel] >> 24u) >= 128u && depth[pixel] > 0.0 && bin < BINS) {
    atomicAdd(&counts[bin], 1u);
  }
}
