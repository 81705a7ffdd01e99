// Keeps every core busy for a while: `iterations` dependent multiply-adds of each lane of a vector. The result is never a number that
// the write lets through, but a compiler cannot know that.

@group(0) @binding(0) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(1) var<uniform> iterations: u32;

@compute @workgroup_size(SIZE)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var a = vec4f(0.25, 0.5, 0.75, 1.0);
  let b = vec4f(f32(id.x % 7u) * 0.125);
  for (var i = 0u; i < iterations; i++) {
    a = fma(a, vec4f(0.5), b);
  }
  if (a.x < -1.0) {
    result[id.x % 4u] = a;
  }
}
