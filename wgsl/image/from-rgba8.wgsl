// Finished pixels back to a picture: rgba8 [P] to f32 [P, 4], level ÷ 255. One thread a pixel.

#include <grid>

@group(0) @binding(0) var<storage, read> rgba8: array<u32>;
@group(0) @binding(1) var<storage, read_write> picture: array<vec4f>;

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
  let word = rgba8[pixel];
  let level = vec4u(word, word >> 8u, word >> 16u, word >> 24u) & vec4u(255u);
  picture[pixel] = vec4f(level) / 255.0;
}
