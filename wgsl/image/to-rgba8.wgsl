// A picture to finished pixels: f32 [P, 4] to rgba8 [P], r in the lowest byte. Clamped to [0, 1] and rounded half up; every
// picture that leaves the GPU is rounded here. One thread a pixel.

#include <grid>

@group(0) @binding(0) var<storage, read> picture: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> rgba8: array<u32>;

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
  let level = vec4u(clamp(picture[pixel], vec4f(0.0), vec4f(1.0)) * 255.0 + 0.5);
  rgba8[pixel] = level.r | (level.g << 8u) | (level.b << 16u) | (level.a << 24u);
}
