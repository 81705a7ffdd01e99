// gradient = first/|first| + weight·second/|second| over all channels of an image; a gradient of norm 0 adds nothing. Every
// invocation adds the partial sums of gradient-squares in the same order.

struct Sizes {
  pixels: u32,
  weight: f32,
}

@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> first: array<vec4f>;
@group(0) @binding(2) var<storage, read> second: array<vec4f>;
@group(0) @binding(3) var<storage, read> partials: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> gradient: array<vec4f>;

fn inverse(norm: f32) -> f32 {
  return select(0.0, 1.0 / norm, norm > 0.0);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  var squares = vec2f();
  for (var i = 0u; i < GROUPS; i++) {
    squares += partials[i].xy;
  }
  let lengths = sqrt(squares);
  let scales = vec2f(inverse(lengths.x), sizes.weight * inverse(lengths.y));
  for (var i = group.x * THREADS + thread; i < sizes.pixels; i += GROUPS * THREADS) {
    gradient[i] = scales.x * first[i] + scales.y * second[i];
  }
}
