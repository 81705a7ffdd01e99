// One workgroup adds the sums of all chunks in a fixed order: loss[0] is their mean over pixels and channels.

#include <pixel-loss>
#include <tile-sum>

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;

var<workgroup> workspace: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) thread: u32) {
  var sums = vec3f();
  for (var chunk = thread; chunk < sizes.chunks; chunk += THREADS) {
    sums += partials[chunk].xyz;
  }
  let total = tileSum(thread, sums);
  if (thread == 0u) {
    loss[0] = (total.x + total.y + total.z) / (3.0 * f32(sizes.width * sizes.height));
  }
}
