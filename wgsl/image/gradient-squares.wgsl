// Partial sums of the squares of two image gradients: partials[group] = (Σ first², Σ second², 0, 0), over rgb and alpha of the
// pixels group·THREADS + thread, then GROUPS·THREADS further on, and so on: a fixed order.

#include <tile-sum>

struct Sizes {
  pixels: u32,
  weight: f32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> first: array<vec4f>;
@group(0) @binding(2) var<storage, read> second: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;

var<workgroup> workspace: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  var squares = vec3f();
  for (var i = group.x * THREADS + thread; i < sizes.pixels; i += GROUPS * THREADS) {
    squares += vec3f(dot(first[i], first[i]), dot(second[i], second[i]), 0.0);
  }
  let total = tileSum(thread, squares);
  if (thread == 0u) {
    partials[group.x] = vec4f(total, 0.0);
  }
}
